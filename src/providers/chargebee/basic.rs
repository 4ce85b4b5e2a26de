//! Proves that a webhook comes from Chargebee: HTTP Basic credentials, the only proof that Chargebee offers.
//!
//! Chargebee does not sign its webhooks, so whoever knows the password can send any body; this file must therefore
//! never log a header or a credential, never stop comparing early, and never take anything when no pair is known.
//!
//! <https://www.chargebee.com/docs/webhook_settings.html>

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::providers::Refusal;

/// Knows the pairs of user name and password that may send webhooks, and which site each is of: one has more than one
/// while a password is changed.
#[derive(Clone)]
pub struct Credentials {
    pairs: Vec<Pair>,
}

/// Hashes of equal length, so that comparing them tells nothing about how long user name or password are.
#[derive(Clone)]
struct Pair {
    user: [u8; 32],
    password: [u8; 32],
    /// Its site's place in the list of sites.
    site: u32,
}

impl Credentials {
    /// Each of the form `user:password`, where only the password may hold further colons. Anything else is passed
    /// over and admits nobody; the settings refuse it before it comes here.
    pub fn new<'a>(pairs: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let pairs = pairs.into_iter().filter_map(|pair| Pair::of(pair.expose_secret().as_bytes(), 0)).collect();
        Self { pairs }
    }

    /// The same for several sites, by the pairs of each. The settings refuse a pair that two sites have.
    pub fn of_sites<'a>(sites: impl IntoIterator<Item = &'a [SecretString]>) -> Self {
        let of_site = |(site, pairs): (u32, &'a [SecretString])| {
            pairs.iter().filter_map(move |pair| Pair::of(pair.expose_secret().as_bytes(), site))
        };
        Self { pairs: (0..).zip(sites).flat_map(of_site).collect() }
    }

    /// Whether the header carries one of the pairs. Says all there is to know: the body proves nothing.
    pub fn verify(&self, header: Option<&str>) -> Result<(), Refusal> {
        self.site(header).map(drop)
    }

    /// Which site's pair the header carries, as its place in the list of sites. Compares all pairs of all sites in any
    /// case, so that the time it takes tells nothing about which of them is right.
    pub fn site(&self, header: Option<&str>) -> Result<usize, Refusal> {
        let sent = header.and_then(decode).and_then(|pair| Pair::of(&pair, 0)).ok_or(Refusal::CredentialsMissing)?;
        let (mut found, mut site) = (Choice::from(0), 0);
        for pair in &self.pairs {
            let same = pair.user.ct_eq(&sent.user) & pair.password.ct_eq(&sent.password);
            site.conditional_assign(&pair.site, same);
            found |= same;
        }
        // No platform that this runs on counts places in less than 32 bits.
        if found.into() { Ok(site as usize) } else { Err(Refusal::CredentialsWrong) }
    }
}

/// The header that Chargebee would send with these credentials.
pub fn header(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

impl Pair {
    /// `None` without a colon or with an empty part: a configured pair without a password would admit by user name.
    fn of(text: &[u8], site: u32) -> Option<Self> {
        let colon = text.iter().position(|byte| *byte == b':')?;
        let (user, password) = (&text[..colon], &text[colon + 1..]);
        let whole = !user.is_empty() && !password.is_empty();
        whole.then(|| Self { user: Sha256::digest(user).into(), password: Sha256::digest(password).into(), site })
    }
}

/// The scheme's case and the number of spaces after it are free, and so is the padding (RFC 7617, RFC 9110).
fn decode(header: &str) -> Option<Vec<u8>> {
    let (scheme, token) = header.trim_matches(' ').split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    BASE64.decode(token.trim_start_matches(' ')).ok()
}

/// The standard alphabet: RFC 7617 knows no other.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(pairs: &[&str]) -> Credentials {
        let pairs: Vec<SecretString> = pairs.iter().map(|pair| SecretString::from((*pair).to_owned())).collect();
        Credentials::new(&pairs)
    }

    fn verdict(known: &[&str], sent: &str) -> Result<(), Refusal> {
        credentials(known).verify(Some(sent))
    }

    #[test]
    fn what_is_signed_is_accepted() {
        assert_eq!(verdict(&["relay:s3cret"], &header("relay", "s3cret")), Ok(()));
    }

    #[test]
    fn the_known_answer_of_rfc_7617_is_accepted() {
        assert_eq!(header("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(verdict(&["Aladdin:open sesame"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), Ok(()));
    }

    #[test]
    fn scheme_case_spaces_and_padding_are_free() {
        for sent in [
            "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "BASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            " Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== ",
        ] {
            assert_eq!(verdict(&["Aladdin:open sesame"], sent), Ok(()), "{sent}");
        }
    }

    #[test]
    fn the_first_colon_divides_so_that_a_password_may_hold_more() {
        assert_eq!(verdict(&["relay:a:b:c"], &header("relay", "a:b:c")), Ok(()));
        assert_eq!(verdict(&["relay:a:b:c"], &header("relay:a", "b:c")), Ok(()), "the same bytes on the wire");
        assert_eq!(verdict(&["relay:a:b:c"], &header("relay", "a:b")), Err(Refusal::CredentialsWrong));
    }

    #[test]
    fn any_of_several_pairs_is_accepted_but_no_mixture_of_them() {
        let known = ["old:one", "new:two"];
        assert_eq!(verdict(&known, &header("old", "one")), Ok(()));
        assert_eq!(verdict(&known, &header("new", "two")), Ok(()));
        assert_eq!(verdict(&known, &header("old", "two")), Err(Refusal::CredentialsWrong));
        assert_eq!(verdict(&known, &header("new", "one")), Err(Refusal::CredentialsWrong));
    }

    #[test]
    fn the_pair_tells_its_site_and_no_mixture_of_two_sites_is_accepted() {
        let sites = [vec![], vec!["eu:old", "eu:new"], vec!["us:one"], vec!["eu:one"]];
        let sites = sites.map(|pairs| pairs.into_iter().map(|pair| SecretString::from(pair.to_owned())).collect());
        let known = Credentials::of_sites(sites.iter().map(|pairs: &Vec<SecretString>| pairs.as_slice()));
        for (user, password, site) in [
            ("eu", "old", Ok(1)),
            ("eu", "new", Ok(1)),
            ("us", "one", Ok(2)),
            ("eu", "one", Ok(3)),
            ("us", "old", Err(Refusal::CredentialsWrong)),
            ("us", "new", Err(Refusal::CredentialsWrong)),
        ] {
            assert_eq!(known.site(Some(&header(user, password))), site, "{user} {password}");
        }
        assert_eq!(known.site(None), Err(Refusal::CredentialsMissing));
    }

    #[test]
    fn a_wrong_user_or_password_is_refused() {
        for (user, password) in [("relay", "wrong"), ("other", "s3cret"), ("relay", "s3cret "), ("Relay", "s3cret")] {
            assert_eq!(verdict(&["relay:s3cret"], &header(user, password)), Err(Refusal::CredentialsWrong));
        }
    }

    #[test]
    fn a_missing_or_malformed_header_is_refused() {
        assert_eq!(credentials(&["relay:s3cret"]).verify(None), Err(Refusal::CredentialsMissing));
        let without_colon = format!("Basic {}", BASE64.encode("relay"));
        let url_safe = format!("Basic {}", BASE64.encode("relay:???>>>").replace('/', "_").replace('+', "-"));
        for sent in [
            "",
            "   ",
            "Basic",
            "Basic ",
            "Basic %%%",
            "Bearer cmVsYXk6czNjcmV0",
            "Basic cmVsYXk6czNjcmV0 cmVsYXk6czNjcmV0",
            "cmVsYXk6czNjcmV0",
            "Basic\tcmVsYXk6czNjcmV0",
            ",",
            &header("relay", ""),
            &header("", "s3cret"),
            &without_colon,
            &url_safe,
        ] {
            assert_eq!(verdict(&["relay:s3cret"], sent), Err(Refusal::CredentialsMissing), "{sent}");
        }
    }

    #[test]
    fn a_password_that_is_not_text_is_refused_without_a_panic() {
        let sent = format!("Basic {}", BASE64.encode(b"relay:\xff\xfe"));
        assert_eq!(verdict(&["relay:s3cret"], &sent), Err(Refusal::CredentialsWrong));
    }

    #[test]
    fn without_a_configured_pair_nobody_is_admitted() {
        for known in [&[][..], &["relay"], &["relay:"], &[":s3cret"], &[":"]] {
            assert_eq!(verdict(known, &header("relay", "s3cret")), Err(Refusal::CredentialsWrong));
            assert!(verdict(known, &header("relay", "")).is_err());
        }
    }
}
