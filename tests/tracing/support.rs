//! A subscriber that keeps what it is told.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the subscriber does besides, when it is told of an event.
static HOOK: OnceLock<fn(&str)> = OnceLock::new();

/// Has the subscriber call `hook` with each line of an event from now on, in this process.
pub(crate) fn call_at_events(hook: fn(&str)) {
    HOOK.set(hook).expect("the first");
}

/// Keeps what is told from now on, in this process.
pub(crate) fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| subscriber::set_global_default(Recorder).expect("the first"));
}

/// The lines so far: of events `event message name=value..`, of spans `new`, `enter`, `exit`.
pub(crate) fn lines() -> Vec<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

struct Recorder;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string");
    }
}

fn add(line: String) {
    LINES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(line);
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "crossdock"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut text = Text(format!("new {id} {}", span.metadata().name()));
        span.record(&mut text);
        add(text.0);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut text = Text(format!("record {}", span.into_u64()));
        values.record(&mut text);
        add(text.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text("event".to_owned());
        event.record(&mut text);
        add(text.0.clone());
        if let Some(hook) = HOOK.get() {
            hook(&text.0);
        }
    }

    fn enter(&self, span: &Id) {
        add(format!("enter {}", span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        add(format!("exit {}", span.into_u64()));
    }
}
