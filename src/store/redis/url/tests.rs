//! URLs that work, and what is said of those that don't.

use super::*;

fn read(url: &str) -> Place {
    parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn access(user: &str, password: &str) -> Access {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Access { user: some(user), password: some(password) }
}

#[test]
fn a_node_has_a_host_a_port_a_user_a_password_and_a_database() {
    let cases = [
        ("redis://h", ("h", 6379, "", "", 0, false)),
        ("redis://127.0.0.1:7000/", ("127.0.0.1", 7000, "", "", 0, false)),
        ("valkey://h/3", ("h", 6379, "", "", 3, false)),
        ("rediss://app:p%40ss@h.example:7000/3", ("h.example", 7000, "app", "p@ss", 3, true)),
        ("valkeys://:p+%2B@[::1]:7000", ("::1", 7000, "", "p++", 0, true)),
        ("redis://:a@b@h?protocol=resp3", ("h", 6379, "", "a@b", 0, false)),
        ("redis://[fe80::1%eth0]", ("fe80::1%eth0", 6379, "", "", 0, false)),
    ];
    for (url, (host, port, user, password, database, tls)) in cases {
        let place = read(url);
        assert_eq!(place.topology, Topology::Node(Address::new(host, port)), "{url}");
        assert_eq!((place.access, place.database, place.tls), (access(user, password), database, tls), "{url}");
    }
}

#[test]
fn a_socket_has_its_rest_in_the_query() {
    for scheme in ["unix", "redis+unix", "valkey+unix"] {
        let place = read(&format!("{scheme}:///run/my%20redis.sock?db=2&user=app&pass=p%26"));
        assert_eq!(place.topology, Topology::Socket("/run/my redis.sock".into()));
        assert_eq!((place.access, place.database), (access("app", "p&"), 2));
    }
}

#[test]
fn sentinels_have_a_list_a_service_and_credentials_of_their_own() {
    let schemes = [("redis+sentinel", false), ("redis-sentinel", false), ("valkey+sentinel", false)];
    for (scheme, tls) in schemes.into_iter().chain([("rediss+sentinel", true), ("rediss-sentinel", true)]) {
        let place = read(&format!("{scheme}://a,b:1,[::1],[::2]:3/my-master"));
        assert_eq!((place.tls, place.database, place.access), (tls, 0, Access::default()));
        let addresses = [("a", 26379), ("b", 1), ("::1", 26379), ("::2", 3)];
        let addresses = addresses.map(|(host, port)| Address::new(host, port)).to_vec();
        let service = "my-master".to_owned();
        assert_eq!(place.topology, Topology::Sentinels { addresses, service, access: Access::default() });
    }
    let place = read("redis+sentinel://app:n%2F@h/m%2Fx/7?sentinel_username=s&sentinel_password=p%3D=");
    assert_eq!((place.access, place.database), (access("app", "n/"), 7));
    let addresses = vec![Address::new("h", 26379)];
    let (service, access) = ("m/x".to_owned(), access("s", "p=="));
    assert_eq!(place.topology, Topology::Sentinels { addresses, service, access });
}

#[test]
fn a_cluster_has_a_list_of_nodes_and_no_database() {
    let schemes = [("redis+cluster", false), ("redis-cluster", false), ("valkey+cluster", false)];
    for (scheme, tls) in schemes.into_iter().chain([("rediss+cluster", true), ("rediss-cluster", true)]) {
        for path in ["", "/", "/0"] {
            let place = read(&format!("{scheme}://app:p%40ss@a,b:1,[::1]:3{path}"));
            let addresses = [("a", 6379), ("b", 1), ("::1", 3)].map(|(host, port)| Address::new(host, port));
            assert_eq!(place.topology, Topology::Cluster(addresses.to_vec()), "{scheme}{path}");
            assert_eq!((place.access, place.database, place.tls), (access("app", "p@ss"), 0, tls), "{scheme}{path}");
        }
    }
}

#[test]
fn what_is_wrong_is_named_and_nothing_but_the_scheme_is_quoted() {
    let encoding = "is not percent-encoded UTF-8 (a % itself is written %25)";
    let start = "must begin with redis://, rediss://, redis+sentinel://, redis+cluster:// or unix://";
    let service = "must name the service that the Sentinels watch: redis+sentinel://host,host/service";
    let cases = [
        ("hunter2", format!("…: {start}")),
        ("postgres://u:hunter2@h/1", format!("postgres: {start}")),
        ("unix+sentinel://hunter2/m", format!("unix+sentinel: {start}")),
        ("redis:hunter2", "redis: must go on with ://".into()),
        ("redis://:hunter#2@h", "redis: has a #, which must be written %23".into()),
        ("redis://", "redis: the host is empty".into()),
        ("redis://:hunter2@", "redis: the host is empty".into()),
        ("redis://:hunter2@/0", "redis: the host is empty".into()),
        ("redis://hunter2@h", "redis: names a user without a password".into()),
        ("redis://u:hunter2@h/db", "redis: the database must be a number from 0".into()),
        ("redis://u:hunter2@h/-3", "redis: the database must be a number from 0".into()),
        ("redis://u:hunter2@h:99999/0", "redis: the host has a port that is not from 1 to 65535".into()),
        ("redis://u:hunter2@h:0", "redis: the host has a port that is not from 1 to 65535".into()),
        ("redis://u:hunter2@h:", "redis: the host has a port that is not from 1 to 65535".into()),
        ("redis://u:hunter2@::1", "redis: the host is empty".into()),
        ("redis://u:hunter2@fe80::1", "redis: the host is an IPv6 address without brackets".into()),
        ("redis://u:hunter2@[::1", "redis: the host has no closing bracket".into()),
        ("redis://[hunter2]", "redis: the host has something in brackets that is no IPv6 address".into()),
        ("redis://[::1]hunter2", "redis: the host has something after the closing bracket that is no port".into()),
        ("redis://hunter 2", "redis: the host has a character that no host has".into()),
        ("redis://a,b", "redis: names several hosts: write redis+sentinel:// or redis+cluster://".into()),
        ("redis://:hunter%2@h", format!("redis: the password {encoding}")),
        ("redis://:hunter%ff@h", format!("redis: the password {encoding}")),
        ("redis://h?hunter2", "redis: has a parameter that is not known; known are protocol".into()),
        ("unix://hunter2", "unix: needs the whole path of a socket: unix:///path".into()),
        ("unix:///s?db=1&db=hunter2", "unix: has db twice".into()),
        ("redis+sentinel://:hunter2@a,b", format!("redis+sentinel: {service}")),
        ("redis+sentinel://:hunter2@a,b/", format!("redis+sentinel: {service}")),
        ("redis+sentinel://:hunter2@a,,b/m", "redis+sentinel: Sentinel 2 of 3 is empty".into()),
        (
            "redis-sentinel://:hunter2@a,b:x/m",
            "redis-sentinel: Sentinel 2 of 2 has a port that is not from 1 to 65535".into(),
        ),
        ("redis+sentinel://:hunter2@a/m/x", "redis+sentinel: the database must be a number from 0".into()),
        ("redis+sentinel://:hunter2@a/m/0/x", "redis+sentinel: the database must be a number from 0".into()),
        (
            "redis+sentinel://a/m?sentinel_username=hunter2",
            "redis+sentinel: names a sentinel_username without a password".into(),
        ),
        (
            "redis+sentinel://a/m?password=hunter2",
            "redis+sentinel: has a parameter that is not known; known are sentinel_username, sentinel_password".into(),
        ),
        ("redis+cluster://:hunter2@", "redis+cluster: node 1 of 1 is empty".into()),
        ("redis+cluster://:hunter2@a,b:0", "redis+cluster: node 2 of 2 has a port that is not from 1 to 65535".into()),
        ("redis-cluster://:hunter2@a/1", "redis-cluster: a Cluster has no other database than 0".into()),
        ("redis+cluster://:hunter2@a/x", "redis+cluster: the database must be a number from 0".into()),
        ("redis+cluster://u:@a", "redis+cluster: names a user without a password".into()),
        ("redis+cluster://a?hunter2", "redis+cluster: has a parameter that is not known; known are protocol".into()),
    ];
    for (url, message) in cases {
        let error = parse(url).expect_err(url).to_string();
        assert_eq!(error, format!("store = {message}"), "{url}");
        assert!(!error.contains("hunter"), "{error}");
    }
}

#[test]
fn a_password_is_not_in_debug() {
    let place = read("redis+sentinel://u:hunter2@h/m?sentinel_password=hunter3");
    assert!(!format!("{place:?}").contains("hunter"), "{place:?}");
}
