//! `rules` and `rules test`: the operator's own cases.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::given::{Said, run};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules/examples");

/// The shipped rules' cases of the examples, beside rules of one's own, in a folder that may be changed.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("own.toml"), rules).unwrap();
        copy(&Path::new(EXAMPLES).join("shipped.cases"), &folder.path().join("own.cases"));
        Self { folder }
    }

    fn shipped() -> Self {
        Self::new(&fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules/default.toml")).unwrap())
    }

    /// With the amount without tax as the price of purchases.
    fn net() -> Self {
        let shipped = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules/default.toml")).unwrap();
        Self::new(&shipped.replace("= \"invoice.amount_paid\"", "= \"invoice.amount_paid_net\""))
    }

    fn test(&self, arguments: &[&str]) -> Said {
        let arguments: Vec<&str> = ["rules", "test"].iter().chain(arguments).copied().collect();
        run(self.folder.path(), &[("RELAY__RULES", "own.toml")], &arguments)
    }

    fn case(&self, name: &str) -> PathBuf {
        self.folder.path().join("own.cases").join(name)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

fn cases(said: &Said) -> Vec<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    said.lines().iter().map(|line| (text(line, "case"), text(line, "result"))).collect()
}

#[test]
fn the_examples_are_as_they_say() {
    for (rules, folder, count) in
        [(None, Some("shipped.cases"), 4), (Some("net.toml"), None, 3), (Some("zero.toml"), None, 4)]
    {
        let variables: Vec<_> = rules.map(|rules| ("RELAY__RULES", rules)).into_iter().collect();
        let arguments: Vec<&str> = ["rules", "test"].into_iter().chain(folder).collect();
        let said = run(Path::new(EXAMPLES), &variables, &arguments);
        assert_eq!(said.code, 0, "{said:?}");
        said.says(&[&format!("{count} cases: {count} ok.")]);
    }
}

/// What the comment in the example says.
#[test]
fn one_more_condition_leaves_out_the_invoice_with_which_a_trial_begins() {
    let page = fs::read_to_string(Path::new(EXAMPLES).join("zero.toml")).unwrap();
    let quoted = page.lines().find_map(|line| line.split('"').find(|part| part.starts_with("&& "))).unwrap();
    let place = Place::new(&page.replace(">= 0\"\ntrigger", &format!(">= 0 {quoted}\"\ntrigger")));
    let cases = Path::new(EXAMPLES).join("zero.cases");
    let said = place.test(&[cases.to_str().unwrap()]);
    assert_eq!(said.code, 1);
    said.says(&["trial-begins", "differs", "ignore no_rule_matched (purchase: ", "4 cases: 3 ok, 1 differs."]);
}

#[test]
fn cases_are_found_beside_the_rules_file() {
    let said = Place::shipped().test(&[]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    said.says(&["purchase-and-refund", "4 cases: 4 ok."]);
}

#[test]
fn what_a_change_of_the_rules_does_is_shown_field_by_field() {
    let said = Place::net().test(&[]);
    assert_eq!(said.code, 1);
    let row = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    let rows: Vec<String> = said.out.lines().map(row).collect();
    assert!(
        rows.contains(&"purchase-and-refund differs 02-invoice › payload.price 11900 10000".to_owned()),
        "{rows:?}"
    );
    said.says(&["4 cases: 3 ok, 1 differs.", "--accept"]);
}

#[test]
fn the_same_for_machines_is_one_line_for_each_case() {
    let said = Place::net().test(&["--json"]);
    assert_eq!(said.code, 1);
    let differing = said.lines().into_iter().find(|line| line["case"] == "purchase-and-refund").unwrap();
    assert_eq!(
        differing,
        json!({
            "case": "purchase-and-refund", "result": "differs",
            "differences": [{
                "entry": 2, "webhook": "02-invoice", "path": "payload.price", "expected": 11900, "got": 10000,
            }],
        })
    );
    assert_eq!(said.lines().len(), 4);
}

#[test]
fn what_is_not_sent_any_more_and_what_nobody_expected_are_told_with_the_reason() {
    let place = Place::new(
        "[[rule]]\nname='refund'\non='payment-refunded'\ntrigger='charge-refunded'\nprice='refund.amount'\n\
         [[rule]]\nname='free'\non='invoice-paid'\nwhen='invoice.amount_paid == 0'\ntrigger='invoice-paid'\nprice='0'",
    );
    let said = place.test(&[]);
    assert_eq!(said.code, 1);
    said.says(&[
        "new-signup",
        "ignore no_rule_matched (no rule is for customer-seen)",
        "ignore no_rule_matched (free: `invoice.amount_paid == 0` is false)",
        "ignore purchase_not_reported",
        "invoice-paid 0 EUR monthly (rule free)",
    ]);
}

#[test]
fn a_case_without_an_expected_result_says_how_to_write_it_and_accept_writes_it() {
    let place = Place::shipped();
    fs::remove_file(place.case("signup.expected.json")).unwrap();
    let said = place.test(&[]);
    assert_eq!(said.code, 1);
    said.says(&["new", "write own.cases/signup.expected.json", "--accept", "\"trigger\":\"new-signup\""]);
    assert!(!place.case("signup.expected.json").exists(), "nothing is written unasked");

    let accepted = place.test(&["--accept"]);
    assert_eq!(accepted.code, 0);
    accepted.says(&["\"trigger\":\"new-signup\"", "written: own.cases/signup.expected.json", "1 accepted as new."]);
    let shipped = fs::read_to_string(Path::new(EXAMPLES).join("shipped.cases/signup.expected.json")).unwrap();
    assert_eq!(fs::read_to_string(place.case("signup.expected.json")).unwrap(), shipped);
    assert_eq!(place.test(&[]).code, 0);
}

#[test]
fn accept_shows_what_differs_before_it_writes() {
    let place = Place::net();
    let before = fs::read_to_string(place.case("signup.expected.json")).unwrap();
    let accepted = place.test(&["--accept"]);
    assert_eq!(accepted.code, 0);
    accepted.says(&[
        "payload.price",
        "11900",
        "10000",
        "written: own.cases/purchase-and-refund.expected.json",
        "4 cases: 3 ok, 1 accepted as changed.\nRead what was written before you keep it.",
    ]);
    for failure in ["differs", " got"] {
        assert!(!accepted.out.contains(failure), "nothing failed: {accepted:?}");
    }
    let head = accepted.out.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(head, "case result where expected before expected now");
    assert_eq!(fs::read_to_string(place.case("signup.expected.json")).unwrap(), before, "what was right stays");
    assert_eq!(place.test(&[]).code, 0);
}

#[test]
fn a_broken_case_is_told_and_never_overwritten_and_the_others_go_on() {
    let place = Place::shipped();
    fs::write(place.case("signup.expected.json"), "[{\"ignore\": \"not_refered\"}]").unwrap();
    fs::write(place.case("free-invoice/02-invoice.json"), "{\"id\": ").unwrap();
    fs::remove_file(place.case("nobody-referred-them.json")).unwrap();
    for arguments in [vec!["--json"], vec!["--json", "--accept"]] {
        let said = place.test(&arguments);
        assert_eq!(said.code, 1);
        let result = |name: &str, result: &str| (name.to_owned(), result.to_owned());
        let expected = [
            result("free-invoice", "broken"),
            result("nobody-referred-them", "broken"),
            result("purchase-and-refund", "ok"),
            result("signup", "broken"),
        ];
        assert_eq!(cases(&said), expected);
        said.says(&[
            "free-invoice/02-invoice.json: the body is not JSON",
            "neither a webhook `nobody-referred-them.json` nor a folder",
            "there is no reason `not_refered`; did you mean `not_referred`?",
        ]);
    }
    assert!(fs::read_to_string(place.case("signup.expected.json")).unwrap().contains("not_refered"));
}

#[test]
fn a_webhook_whose_customer_nobody_has_told_of_is_told_how_to_become_a_story() {
    let place = Place::shipped();
    fs::copy(place.case("purchase-and-refund/02-invoice.json"), place.case("alone.json")).unwrap();
    let said = place.test(&[]);
    assert_eq!(said.code, 1);
    said.says(&["{\"hold\":\"customer_unseen\"}", "make the case a folder and put the customer's webhook first"]);
}

#[test]
fn settings_hold_for_cases_too() {
    let place = Place::shipped();
    fs::write(
        place.folder.path().join("relay.toml"),
        "[privacy]\nemail = \"omit\"\n[plans.price_pro]\nproduct_key = \"Pro\"",
    )
    .unwrap();
    let said = place.test(&[]);
    assert_eq!(said.code, 1);
    said.says(&["context.newUser.email", "context.subscription.productKey", "\"prod_pro\"", "\"Pro\""]);
}

#[test]
fn a_folder_without_cases_is_an_error_that_shows_how_to_make_the_first() {
    let place = Place::shipped();
    fs::create_dir(place.folder.path().join("empty")).unwrap();
    for folder in ["empty", "missing"] {
        let said = place.test(&[folder]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{folder}");
        let first = format!("{folder}/first/01-customer.json");
        said.says(&["make the first one of a webhook's exact body", &first, "--accept"]);
    }
}

#[test]
fn rules_that_do_not_load_try_no_case() {
    let said = Place::new("[[rule]]\nname='p'\non='invoice-paid'\ntrigger='invoice-paid'\nprice='invoice.amount_payd'")
        .test(&[]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    said.says(&["own.toml:5:8: there is no `invoice.amount_payd`", "^^^^", "did you mean `invoice.amount_paid`?"]);
}
