//! URLs, and addresses to listen on.

use cello_relay::config::Purpose;

use crate::refusal;

#[test]
fn urls_that_are_none_or_say_too_much_are_refused() {
    let refusal = refusal(
        r#"
[cello]
base_url = "api.cello.so"

[stripe]
api_base = "ftp://api.stripe.com"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`cello.base_url` is not a URL
  where: relay.toml:2
  fix:   write one that begins with https://

`stripe.api_base` is not a URL
  where: relay.toml:5
  fix:   write one that begins with https://
"#);
}

#[test]
fn urls_with_a_password_are_refused_without_quoting_it() {
    let refusal = refusal(
        r#"
[cello]
base_url = "https://user:hush@api.cello.so"

[stripe]
api_base = "https://api.stripe.com?key=hush"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`cello.base_url` holds more than a base URL
  where: relay.toml:2
  fix:   leave out user names, passwords, `?`, `#` and spaces

`stripe.api_base` holds more than a base URL
  where: relay.toml:5
  fix:   leave out user names, passwords, `?`, `#` and spaces
"#);
}

#[test]
fn an_unencrypted_url_off_this_machine_is_refused() {
    let refusal = refusal(
        r#"
[cello]
base_url = "http://api.cello.so"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`cello.base_url` would send keys unencrypted
  where: relay.toml:2
  fix:   write https://; http:// is for this machine alone
"#);
}

#[test]
fn addresses_that_cannot_be_parsed_are_refused() {
    let refusal = refusal(
        r#"
[server]
bind = "localhost:8080"

[admin]
bind = ":9090"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used, for 2 reasons:

`server.bind` is no address to listen on: "localhost:8080"
  where: relay.toml:2
  fix:   write an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces

`admin.bind` is no address to listen on: ":9090"
  where: relay.toml:5
  fix:   write an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces
"#);
}

#[test]
fn the_same_address_twice_is_refused() {
    let refusal = refusal(
        r#"
[server]
bind = "127.0.0.1:9090"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`server.bind` and `admin.bind` are the same address, 127.0.0.1:9090
  where: relay.toml:2
  fix:   give `admin.bind` another port; health and metrics are not for the internet
"#);
}

#[test]
fn an_address_within_another_is_refused() {
    let refusal = refusal(
        r#"
[server]
bind = "0.0.0.0:8443"

[admin]
bind = "127.0.0.1:8443"
"#,
        &[],
        Purpose::Offline,
    );
    insta::assert_snapshot!(refusal, @r#"
the settings cannot be used:

`server.bind` and `admin.bind` are the same address, 127.0.0.1:8443
  where: relay.toml:2; relay.toml:5
  fix:   give `admin.bind` another port; health and metrics are not for the internet
"#);
}
