//! One process sends a string through a pipe, and another receives it.

use crossdock::process::{self, PipeReceiver, PipeSender};

fn sender(mut pipe: PipeSender<String>) -> Result<(), crossdock::Error> {
    pipe.send(&"Hello from the sender process!".to_owned())?;
    Ok(())
}

fn receiver(mut pipe: PipeReceiver<String>) -> Result<(), crossdock::Error> {
    println!("{}", pipe.recv()?);
    Ok(())
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the sender and the receiver begin, and end, here
    let (one, other) = process::pipe()?;
    let sender = process::spawn(sender, one)?;
    let receiver = process::spawn(receiver, other)?;
    sender.join()??;
    receiver.join()?
}
