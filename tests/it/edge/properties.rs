//! Properties of whatever may come in. What is expected is known by how a request was made, or compares two requests:
//! none of it is computed the way the library does.

use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use stickless::store::MemoryStore;
use stickless::{Forwarding, KeyRing, LazySession, Origin, Peer, SessionLayer, State, Trust};
use tokio::runtime::Runtime;
use tower::{Layer as _, Service as _, service_fn};

const FAMILIES: [Forwarding; 3] = [Forwarding::XForwardedFor, Forwarding::Forwarded, Forwarding::XRealIp];
const NAMES: [&str; 5] = ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-proto", "x-forwarded-host"];
const PROXY: [u8; 4] = [10, 0, 0, 1];

fn proxies(headers: Forwarding) -> Trust {
    Trust::proxies("10.0.0.0/8, 2001:db8:10::/48", headers).expect("ranges")
}

fn origin(trust: &Trust, peer: impl Into<IpAddr>, lines: &[(&str, Vec<u8>)]) -> Origin {
    let mut request = Request::get("/").header("host", "app.example").body(()).expect("a request");
    request.extensions_mut().insert(Peer::Address(peer.into()));
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    trust.origin(&request)
}

/// Bytes that a header may have, with those often that mean something.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => select(b",;=\"\\ \t:[].%_0123456789abcdefFORfor".to_vec()),
        1 => (0x20_u8..=0xff).prop_filter("DEL is refused", |byte| *byte != 0x7f),
    ];
    vec(byte, 0..60)
}

fn trusted() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d])),
        any::<[u16; 5]>().prop_map(|[a, b, c, d, e]| IpAddr::from([0x2001, 0xdb8, 0x10, a, b, c, d, e])),
    ]
}

fn stranger() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([203, b, c, d])),
        any::<[u16; 7]>().prop_map(|[a, b, c, d, e, f, g]| IpAddr::from([0x2a00, a, b, c, d, e, f, g])),
    ]
}

/// An address in one of the forms in which proxies write it.
fn written(address: IpAddr) -> impl Strategy<Value = String> {
    let forms = match address {
        IpAddr::V4(v4) => {
            vec![format!("{v4}"), format!("{v4}:4711"), format!("::ffff:{v4}"), format!("[::ffff:{v4}]:1")]
        }
        IpAddr::V6(v6) => vec![
            format!("{v6}"),
            format!("[{v6}]"),
            format!("[{v6}]:80"),
            format!("{v6}").to_uppercase(),
            format!("[{v6}%eth0]:443"),
        ],
    };
    select(forms)
}

/// An element of `Forwarded` that a proxy would write, in one of many ways.
fn element(client: IpAddr, https: bool, host: &'static str) -> impl Strategy<Value = String> {
    let scheme = if https { "https" } else { "http" };
    let client = written(client).prop_map(|text| format!("\"{text}\""));
    let quoted = |text: &str| text.chars().flat_map(|c| ['\\', c]).collect::<String>();
    let scheme = select(vec![scheme.to_owned(), scheme.to_uppercase(), format!("\"{}\"", quoted(scheme))]);
    let host = select(vec![host.to_owned(), format!("\"{host}:8080\""), format!("\"{}\"", quoted(host))]);
    let by = select(vec!["", "by=_a", "by=\"a, for=6.6.6.6; \\\" \"", "ext=\",;\\\\\""]);
    (client, scheme, host, by, select(vec![";", " ; ", ";;"]), any::<prop::sample::Index>()).prop_map(
        |(client, scheme, host, by, separator, turn)| {
            let mut pairs =
                vec![format!("for={client}"), format!("Proto={scheme}"), format!("HOST={host}"), by.to_owned()];
            pairs.retain(|pair| !pair.is_empty());
            let turn = turn.index(pairs.len());
            pairs.rotate_left(turn);
            pairs.join(separator)
        },
    )
}

/// A list as it may be spread over lines: each gap is a comma or a new line.
fn lines(name: &'static str, elements: &[Vec<u8>], breaks: &[bool]) -> Vec<(&'static str, Vec<u8>)> {
    let mut lines: Vec<(&str, Vec<u8>)> = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        match lines.last_mut() {
            Some((_, line)) if !breaks[at % breaks.len()] => {
                line.extend_from_slice(b", ");
                line.extend_from_slice(element);
            }
            _ => lines.push((name, element.clone())),
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_headers_a_stranger_at_the_connection_is_who_it_is(
        peer in stranger(), values in vec((select(NAMES.to_vec()), junk()), 0..6), family in select(FAMILIES.to_vec()),
    ) {
        prop_assert_eq!(origin(&proxies(family), peer, &values), origin(&Trust::Peer, peer, &[]));
    }

    #[test]
    fn whatever_the_headers_the_result_fed_back_is_the_result(
        values in vec((select(NAMES.to_vec()), junk()), 0..6), family in select(FAMILIES.to_vec()), hops in 1_u16..4,
    ) {
        for trust in [proxies(family), Trust::hops(hops, family).expect("above zero")] {
            let first = origin(&trust, PROXY, &values);
            let client = first.client.expect("the peer is known");
            let host = first.host.as_deref().unwrap_or_default();
            prop_assert!(host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b)), "{}", host);
            let scheme = first.scheme();
            let again = match family {
                Forwarding::Forwarded => vec![("forwarded", format!("for=\"{client}\";proto={scheme};host=\"{host}\"").into())],
                Forwarding::XRealIp => vec![("x-real-ip", client.to_string().into()), ("x-forwarded-proto", scheme.into()), ("x-forwarded-host", host.into())],
                _ => vec![("x-forwarded-for", client.to_string().into()), ("x-forwarded-proto", scheme.into()), ("x-forwarded-host", host.into())],
            };
            prop_assert_eq!(origin(&trust, PROXY, &again), first);
        }
    }

    #[test]
    fn nothing_to_the_left_of_the_client_changes_who_it_is(
        left in vec(junk(), 0..4), breaks in vec(any::<bool>(), 1..9),
        (client, entry) in stranger().prop_flat_map(|address| (Just(address), written(address))),
        right in vec(trusted().prop_flat_map(written), 0..4),
    ) {
        let entries: Vec<_> = left.into_iter().chain([entry.into_bytes()]).chain(right.into_iter().map(String::into_bytes)).collect();
        let found = origin(&proxies(Forwarding::XForwardedFor), PROXY, &lines("x-forwarded-for", &entries, &breaks));
        prop_assert_eq!(found.client, Some(client));
    }

    #[test]
    fn nothing_to_the_left_of_an_element_changes_what_it_says(
        left in vec(junk(), 0..4), breaks in vec(any::<bool>(), 1..9), https: bool,
        (client, ours) in (stranger(), any::<bool>()).prop_flat_map(|(client, _)| (Just(client), element(client, true, "shop.example"))),
        right in vec(trusted().prop_flat_map(|proxy| element(proxy, false, "inner.example")), 0..4),
    ) {
        let ours = if https { ours } else { ours.replace("Proto=", "x=") };
        let entries: Vec<_> = left.into_iter().chain([ours.into_bytes()]).chain(right.into_iter().map(String::into_bytes)).collect();
        let found = origin(&proxies(Forwarding::Forwarded), PROXY, &lines("forwarded", &entries, &breaks));
        prop_assert_eq!((found.client, found.https, found.host.as_deref()), (Some(client), https, Some("shop.example")));
    }

    #[test]
    fn the_client_is_a_trusted_proxy_only_where_all_are(
        addresses in vec(prop_oneof![3 => trusted(), 1 => stranger()], 1..12),
    ) {
        let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let found = origin(&proxies(Forwarding::XForwardedFor), PROXY, &[("x-forwarded-for", list.into_bytes())]);
        let in_range = |address: IpAddr| address.to_string().starts_with("10.") || address.to_string().starts_with("2001:db8:10:");
        let all = addresses.iter().all(|address| in_range(*address));
        prop_assert_eq!(found.client.is_some_and(in_range), all);
        prop_assert!(found.client.is_some_and(|client| addresses.contains(&client)));
    }

    #[test]
    fn a_number_of_hops_is_counted_from_the_right(
        addresses in vec(prop_oneof![trusted(), stranger()], 0..8), hops in 1_usize..6,
    ) {
        let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let trust = Trust::hops(u16::try_from(hops).expect("small"), Forwarding::XForwardedFor).expect("above zero");
        let values = if addresses.is_empty() { vec![] } else { vec![("x-forwarded-for", list.into_bytes())] };
        let chain: Vec<_> = addresses.iter().copied().chain([PROXY.into()]).collect();
        let wanted = chain[chain.len().saturating_sub(hops + 1)];
        prop_assert_eq!(origin(&trust, PROXY, &values).client, Some(wanted));
    }
}

/// A service that says how a request stands to its session, the runtime that it runs on, and the cookie of one that is live.
struct Sessions {
    layer: SessionLayer,
    runtime: Runtime,
    token: String,
}

static SESSIONS: LazyLock<Sessions> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random().expect("a key")).expect("possible");
    let begin = service_fn(async |request: Request<()>| {
        LazySession::of(&request)
            .expect("inside the layer")
            .load()
            .await
            .expect("in memory")
            .set("a", &1)
            .expect("small");
        Ok::<_, std::convert::Infallible>(Response::new(()))
    });
    let response = runtime.block_on(layer.layer(begin).call(Request::new(()))).expect("infallible");
    let cookie = response.headers()["set-cookie"].to_str().expect("ASCII").to_owned();
    let token = cookie.split(['=', ';']).nth(1).expect("a value").to_owned();
    Sessions { layer, runtime, token }
});

/// Whether these `Cookie` lines open the session; they change no cookie whatever they are.
fn opens(cookies: &[Vec<u8>]) -> bool {
    let look = service_fn(async |request: Request<()>| {
        let session = LazySession::of(&request).expect("inside the layer").load().await.expect("in memory");
        Ok::<_, std::convert::Infallible>(Response::new(session.state() == State::Live))
    });
    let mut headers = HeaderMap::new();
    for line in cookies {
        headers.append("cookie", HeaderValue::from_bytes(line).expect("a value"));
    }
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    let response = SESSIONS.runtime.block_on(SESSIONS.layer.layer(look).call(request)).expect("infallible");
    assert!(!response.headers().contains_key("set-cookie"));
    response.into_body()
}

/// Cookies of others: anything but a semicolon, and not under our name.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    junk().prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != b';').collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn our_cookie_is_found_among_whatever_others(
        before in vec(foreign(), 0..6), after in vec(foreign(), 0..6), breaks in vec(any::<bool>(), 1..9), blanks in "[ \t]{0,3}",
    ) {
        let ours = format!("{blanks}sid{blanks}={blanks}{}{blanks}", SESSIONS.token).into_bytes();
        let mut cookies: Vec<Vec<u8>> = Vec::new();
        for (at, pair) in before.into_iter().chain([ours]).chain(after).enumerate() {
            match cookies.last_mut() {
                Some(line) if !breaks[at % breaks.len()] => { line.push(b';'); line.extend(pair) }
                _ => cookies.push(pair),
            }
        }
        prop_assert!(opens(&cookies));
    }

    #[test]
    fn no_other_name_and_no_other_value_opens_a_session(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), name in "[ -:<-~]{1,6}", rest in junk(),
    ) {
        let token = SESSIONS.token.as_bytes();
        prop_assume!(byte >= 0x20 && byte != 0x7f && name.trim_matches([' ', '\t']) != "sid" && !name.contains(';'));
        let renamed = format!("{name}={}", SESSIONS.token).into_bytes();
        prop_assert!(!opens(&[renamed]));
        let at = at.index(token.len());
        let (mut other, mut longer) = (token.to_vec(), token.to_vec());
        other[at] = byte;
        longer.insert(at, byte);
        prop_assert_eq!(opens(&[[b"sid=", &other[..]].concat()]), other == token);
        // A blank or semicolon at the end is no part of the value.
        let trimmed = at == 0 && matches!(byte, b' ' | b'\t') ;
        prop_assert_eq!(opens(&[[b"sid=", &longer[..]].concat()]), trimmed);
        prop_assert!(!opens(&[[b"sid=", &token[..at]].concat()]));
        prop_assert!(!opens(&[[b"sid=", &rest[..]].concat()]));
    }
}
