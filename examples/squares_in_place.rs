//! A list of numbers that processes square where it is, and the sum of their squares.

use crossdock::{AtomicArray, Counter, Segment, process};

const PROCESSES: usize = 3;

fn square((process, numbers, sum): (usize, AtomicArray<u64>, Counter)) {
    for number in numbers.iter().skip(process).step_by(PROCESSES) {
        let before = number.update(|number| number * number);
        sum.add(before * before);
    }
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the processes begin, and end, here

    let segment = Segment::anonymous()?;
    let numbers = segment.create::<AtomicArray<u64>>("numbers", [1, 2, 3, 4, 5, 6])?;
    let sum = segment.create::<Counter>("sum", 0)?;
    println!("numbers: {:?}", numbers.to_vec());

    let workers = (0..PROCESSES)
        .map(|process| process::spawn(square, (process, numbers.clone(), sum.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    for worker in workers {
        worker.join()?;
    }
    println!("squares: {:?}", numbers.to_vec());
    println!("their sum: {}", sum.load());
    Ok(())
}
