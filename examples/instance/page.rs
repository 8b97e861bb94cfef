//! Pages for people.

use stickless::State;

pub(crate) fn index(instance: &str, count: i64, user: Option<&str>, state: State) -> String {
    let user = escape(user.unwrap_or("nobody yet"));
    let instance = escape(instance);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>stickless</title><h1>Instance {instance}</h1><p>Session: {state:?}. User: {user}. Counter: \
         <b id=count>{count}</b>. <a href=/count>Count</a>\n"
    )
}

pub(crate) fn greeting(instance: &str, user: Option<&str>) -> String {
    let (instance, user) = (escape(instance), escape(user.unwrap_or("stranger")));
    format!("<!doctype html><html lang=en><meta charset=utf-8><title>{instance}</title><p>Hello, {user}.\n")
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '&' => "&amp;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
