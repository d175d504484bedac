//! Five processes that work by a configuration, and go on by a new one as soon as there is one.

use crossdock::queue::Queue;
use crossdock::{Segment, Shared, process};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Config {
    greeting: String,
    hosts: Vec<String>,
}

fn serve((config, ready): (Shared<Config>, Queue<u32>)) -> Result<String, crossdock::Error> {
    let (before, version) = config.load_versioned()?;
    ready.send(1)?;
    let (after, _) = config.wait_newer(version)?;
    Ok(format!(
        "{} -> {} {:?}",
        before.greeting, after.greeting, after.hosts
    ))
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let first = Config {
        greeting: "hello".into(),
        hosts: vec![],
    };
    let config = segment.create::<Shared<Config>>("config", first)?;
    let ready = segment.create::<Queue<u32>>("ready", 8)?;
    // Daemons: they end with this process, should it be killed while they wait.
    let daemon = process::Builder::new().daemon(true);
    let start = |_| daemon.spawn(serve, (config.clone(), ready.clone()));
    let servers = (0..5).map(start).collect::<Result<Vec<_>, _>>()?;
    for _ in &servers {
        ready.recv()?;
    }

    config.update(|config| {
        config.greeting = "good evening".into();
        config.hosts.push("rye".into());
    })?;
    for server in servers {
        println!("{}", server.join()??);
    }
    Ok(())
}
