//! A cache that one process fills and three others read, while it is filled. It begins with room
//! for one value, and grows; readers go on meanwhile.

use crossdock::{Dict, Manager, process};

/// How often three to the power of `exponent` is looked up before it is there.
fn look_up((cache, exponents): (Dict<u32, String>, Vec<u32>)) -> Result<String, crossdock::Error> {
    let mut found = Vec::new();
    for exponent in exponents {
        loop {
            let changes = cache.changes();
            if let Some(power) = cache.get(&exponent)? {
                found.push(power);
                break;
            }
            cache.wait_changed_since(changes, std::time::Duration::from_secs(60))?;
        }
    }
    Ok(found.join(" "))
}

fn fill(cache: Dict<u32, String>) -> Result<(), crossdock::Error> {
    for exponent in 0..50 {
        let power = 3_u128.pow(exponent);
        cache.insert(&exponent, &power.to_string())?;
    }
    Ok(())
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the other processes begin, and end, here
    let manager = Manager::new(64 << 10)?;
    let cache = manager.dict::<u32, String>("powers", 1)?; // one at first
    // A daemon ends with this process, should it be killed before the cache is full.
    let daemon = process::Builder::new().daemon(true);
    let mut readers = Vec::new();
    for exponents in [vec![1, 2, 3], vec![10, 20], vec![49]] {
        readers.push(daemon.spawn(look_up, (cache.clone(), exponents))?);
    }
    daemon.spawn(fill, cache.clone())?.join()??;
    for reader in readers {
        println!("{}", reader.join()??);
    }
    println!("{} powers", cache.len());
    Ok(())
}
