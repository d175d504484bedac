//! A pool counts the words of texts into one dictionary, which grows; a worker that is killed in
//! the middle costs its text a second attempt, and no word is counted twice.

use std::collections::BTreeMap;

use crossdock::process::{self, Pool};
use crossdock::{Dict, Manager, Set};

type Counts = Dict<String, BTreeMap<usize, u32>>;

/// Counts the words of text number `number`: under each word, how often each text has it. So to
/// count a text again changes nothing.
fn count(
    (counts, seen, number, text): (Counts, Set<usize>, usize, String),
) -> Result<usize, crossdock::Error> {
    let mut words = BTreeMap::new();
    for word in text.split_whitespace() {
        *words.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    for (done, (word, times)) in words.iter().enumerate() {
        counts.update_or(word, BTreeMap::new, |texts| texts.insert(number, *times))?;
        if number == 1 && done == 2 && seen.insert(&number)? {
            std::process::Command::new("kill")
                .args(["-KILL", &std::process::id().to_string()])
                .status()
                .expect("kill runs");
        }
    }
    Ok(words.len())
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the workers begin, and end, here
    let manager = Manager::new(256 << 10)?;
    let counts: Counts = manager.dict("counts", 1)?; // room for one word at first
    let seen = manager.set::<usize>("seen", 1)?;
    let texts = [
        "the rye and the wheat and the oats",
        "the miller the baker and the oven",
        "bread of rye and bread of wheat",
    ];
    let pool = Pool::builder().workers(2).build()?;
    let tasks = texts
        .iter()
        .enumerate()
        .map(|(number, text)| (counts.clone(), seen.clone(), number, (*text).to_owned()));
    let different = pool.options().retries(1).map(count, tasks)?;
    let different = different.into_iter().collect::<Result<Vec<_>, _>>()?;
    println!(
        "{} texts, a worker was killed: {}",
        different.len(),
        seen.contains(&1)?
    );

    let mut all: Vec<(u32, String)> = Vec::new();
    for (word, texts) in counts.snapshot()? {
        all.push((texts.values().sum(), word));
    }
    all.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    for (times, word) in &all[..4] {
        println!("{times} {word}");
    }
    Ok(())
}
