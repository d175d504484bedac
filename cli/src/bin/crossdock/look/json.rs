//! What is seen, for machines.

use crossdock::segment::{EntryInfo, EntryView, Field, Inspection, Overview, Seen};
use serde_json::{Map, Value, json};

use super::people::described;
use super::values;
use crate::operate::find::LookedAt;

pub(super) fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn info(entry: &EntryInfo) -> Map<String, Value> {
    let payload = &entry.payload;
    let mut object = Map::new();
    object.insert("name".into(), json!(entry.name));
    object.insert("kind".into(), json!(entry.kind.to_string()));
    let payload =
        json!({"name": payload.name(), "bytes": payload.size(), "align": payload.align()});
    object.insert("payload".into(), payload);
    object.insert("offset".into(), json!(entry.offset));
    object.insert("bytes".into(), json!(entry.len));
    object
}

fn fields(of: &[Field]) -> Value {
    let named = of.iter().map(|field| {
        let value = match &field.value {
            Seen::Flag(flag) => json!(flag),
            Seen::Number(number) => json!(number),
            Seen::Signed(number) => json!(number),
            Seen::Text(text) => json!(text),
            Seen::Participant(id) => json!(id.to_string()),
            Seen::Rows(rows) => rows.iter().map(|row| fields(row)).collect(),
            _ => Value::Null,
        };
        (field.name.to_owned(), value)
    });
    Value::Object(named.collect())
}

pub(super) fn entry(view: &EntryView) -> Value {
    let mut object = info(&view.info);
    object.insert("fields".into(), fields(&view.fields));
    Value::Object(object)
}

pub(super) fn segment(
    name: &str,
    inspection: &Inspection,
    seen: &Overview,
    (views, left): (&[LookedAt], usize),
) -> Value {
    let file = inspection.file();
    let participants: Vec<_> = seen
        .participants
        .iter()
        .map(|one| {
            json!({
                "id": one.id().to_string(),
                "pid": one.pid,
                "pid_namespace": one.pid_namespace,
                "start_time": one.start_time,
                "alive": one.alive,
                "process": described(one),
            })
        })
        .collect();
    let entries: Vec<_> = views
        .iter()
        .map(|(found, view)| match view {
            Ok(view) => entry(view),
            Err(error) => {
                let mut object = info(found);
                object.insert("error".into(), json!(error));
                Value::Object(object)
            }
        })
        .collect();
    json!({
        "segment": name,
        "layout_version": seen.layout_version,
        "bytes": seen.len,
        "used": seen.used,
        "anonymous": seen.is_anonymous,
        "owner": file.owner,
        "created": file.created,
        "in_use": inspection.is_in_use().ok(),
        "max_entries": seen.max_entries,
        "max_participants": seen.max_participants,
        "damaged": seen.damaged.as_ref().map(ToString::to_string),
        "participants": participants,
        "entries": entries,
        "more_entries": left,
    })
}

pub(super) fn values(view: &EntryView, all: &[values::Value<'_>]) -> Value {
    let mut object = info(&view.info);
    let all = all.iter().map(|value| {
        json!({
            "label": value.info.label,
            "number": value.info.number,
            "bytes": value.info.len,
            "hex": values::hex(&value.bytes),
            "text": value.text,
        })
    });
    object.insert("values".into(), all.collect());
    Value::Object(object)
}
