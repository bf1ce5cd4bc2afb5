//! What may be asked of a text that is cut, by the names that whole texts have.

use rhai::{Engine, FnPtr, NativeCallContext};

use super::Fallible;
use crate::{
    filter::Test,
    script::cut::{CutList, CutText, bytes, cannot_tell},
};

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<CutText>("CutText")
        .register_fn("==", |a: CutText, b: &str| a.equals(b))
        .register_fn("==", |a: &str, b: CutText| b.equals(a))
        .register_fn("!=", |a: CutText, b: &str| a.equals(b).map(|same| !same))
        .register_fn("!=", |a: &str, b: CutText| b.equals(a).map(|same| !same))
        .register_fn("starts_with", |text: CutText, of: &str| text.answer(&Test::StartsWith(bytes(of))))
        .register_fn("ends_with", |text: CutText, of: &str| text.answer(&Test::EndsWith(bytes(of))))
        .register_fn("contains", |text: CutText, of: &str| text.answer(&Test::containing(bytes(of), 0, 0)))
        .register_fn("like", |text: CutText, glob: &str| text.like(glob))
        .register_fn("matches", |text: CutText, regex: &str| text.matches(regex))
        .register_fn("is_empty", |text: CutText| text.equals(""))
        .register_fn("len", |_: CutText| cannot_tell::<i64>())
        .register_fn("to_ascii_lower", |text: CutText| CutText {
            seen: text.seen.to_ascii_lowercase(),
            ..text
        });
    engine
        .register_type_with_name::<CutList>("CutList")
        .register_fn("len", |_: CutList| cannot_tell::<i64>())
        .register_fn("is_empty", |list: CutList| list.items.is_empty())
        .register_fn("contains", |list: CutList, sought: &str| {
            list.any(|item| match item.read_lock::<CutText>() {
                Some(text) => text.equals(sought),
                None => Ok(item.as_immutable_string_ref().is_ok_and(|item| item.as_str() == sought)),
            })
        })
        .register_fn("any", |context: NativeCallContext, list: CutList, asked: FnPtr| {
            list.any(|item| asked.call_within_context::<bool>(&context, (item,)))
        })
        .register_fn("none", |context: NativeCallContext, list: CutList, asked: FnPtr| {
            list.any(|item| asked.call_within_context::<bool>(&context, (item,))).map(|any| !any)
        })
        .register_fn("all", |context: NativeCallContext, list: CutList, asked: FnPtr| {
            list.all(|item| asked.call_within_context::<bool>(&context, (item,)))
        })
        .register_indexer_get(|list: &mut CutList, at: i64| -> Fallible<rhai::Dynamic> {
            let item = usize::try_from(at).ok().and_then(|at| list.item(at));
            item.map_or_else(cannot_tell, Ok)
        });
}
