//! `events why`, with the binary, beside a relay that has the store open.

use cello_relay::store::Then;
use serde_json::{Value, json};

use crate::given::{Installation, Said};

const STORY: &str = "stories/stripe-refund-basil";
const CUSTOMER: &str = "cus_e1WZ1OI9lKI3uz";
const INVOICE: &str = "in_1pv4UqQ8hTzvKe3RjDsgLsSh";
const USER: &str = "usr_10530";
const NOT_REFERRED: &str = "stories/stripe-not-referred";
const STRANGER: &str = "cus_ldnJ2bEiFN7JuH";
const STRANGERS_INVOICE: &str = "in_1YRyJ3Q8hTzvKe3RaBkzrzSD";
/// The only webhook of its customer.
const HELD: &str = "stripe/invoice-paid-basil.json";
const HELD_INVOICE: &str = "in_1DLBsDQ8hTzvKe3RMoxx8x0x";
const TWO_INVOICES: &str = "stories/chargebee-one-payment-two-invoices";

impl Installation {
    fn why(&self, what: &str, id: &str) -> Said {
        self.run(&["events", "why", what, id])
    }

    fn json_why(&self, what: &str, id: &str) -> Value {
        let said = self.run(&["events", "why", what, id, "--json"]);
        assert_eq!(said.lines().len(), 1, "{said:?}");
        said.lines().remove(0)
    }

    #[track_caller]
    fn answers(&self, what: &str, id: &str, first_line: &str) {
        let said = self.why(what, id);
        assert!(
            said.out.lines().next().unwrap_or_default().contains(first_line),
            "{first_line} is not in\n{}",
            said.out
        );
        assert_eq!(said.code, 0, "{said:?}");
    }
}

#[tokio::test]
async fn a_delivered_purchase_is_a_yes_with_the_time_and_whom_it_counts_for() {
    let relay = Installation::new().with(STORY).await.delivered().await;

    let said = relay.why("--invoice", INVOICE);

    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.starts_with(&format!(
        "Yes: the purchase of 7900 EUR, invoice {INVOICE}, was reported for {USER}; Cello has it since "
    )));
    said.says(&[
        " Cello has 1 refund of it, too.\n",
        "  cus_e1WZ1OI9lKI3uz of stripe: referred by the code 2RsSjGlXtHY as user usr_10530, since 2025-08-11T12:00:09Z\n",
        "  2025-08-11T12:02:12Z  purchase of 7900 EUR, invoice in_1pv4UqQ8hTzvKe3RjDsgLsSh\n      \
         reported as invoice-paid; referral event 3: Cello has it since ",
        "refund of 7900 EUR",
        "(Amounts are in the currency's smallest unit",
        "What to do\n  nothing: Cello has it\n",
    ]);
    assert!(!said.out.contains("signup"), "of an invoice only the invoice: {}", said.out);
}

#[tokio::test]
async fn a_customer_and_a_user_are_told_all_that_happened_oldest_first() {
    let relay = Installation::new().with(STORY).await.delivered().await;
    for (what, id) in [("--customer", CUSTOMER), ("--user", USER)] {
        relay.answers(what, id, "Yes: Cello has 1 purchase and 1 refund of the ");
        let page = relay.json_why(what, id);
        let facts: Vec<&str> =
            page["found"].as_array().unwrap().iter().map(|one| one["fact"].as_str().unwrap()).collect();
        assert_eq!(facts, ["customer-seen", "subscription-started", "invoice-paid", "payment-refunded"], "{what}");
        assert_eq!(page["customers"][0]["referral"], "referred");
        assert_eq!(page["asked"], json!({ &what[2..]: id }));
    }
}

#[tokio::test]
async fn no_address_is_shown() {
    let relay = Installation::new().with(STORY).await.delivered().await;
    for arguments in [vec![], vec!["--json"]] {
        let said = relay.run(&[&["events", "why", "--customer", CUSTOMER], arguments.as_slice()].concat());
        assert!(!said.out.contains('@'), "{}", said.out);
    }
}

#[tokio::test]
async fn a_customer_without_a_code_is_a_no_and_what_to_put_where_is_said() {
    let relay = Installation::new().with(NOT_REFERRED).await;
    relay.answers(
        "--customer",
        STRANGER,
        "No: the customer cus_ldnJ2bEiFN7JuH carries no referral code, so Cello is told nothing",
    );
    let invoice = format!("so Cello was not told of the purchase, invoice {STRANGERS_INVOICE}.");
    relay.answers("--invoice", STRANGERS_INVOICE, &invoice);
    relay.why("--invoice", STRANGERS_INVOICE).says(&[
        "of stripe: not referred: there is no referral code on it",
        "put the referral code (`cello_ucc`) and the user's id (`new_user_id`) on the customer at the provider",
        "what happened up to 30 days before that is then decided again by itself",
    ]);
    let page = relay.json_why("--customer", STRANGER);
    assert_eq!((&page["answer"], &page["found"][2]["reason"]), (&json!("no"), &json!("not_referred")));
}

#[tokio::test]
async fn what_waits_is_a_not_yet_with_what_for_until_when_and_how_to_help() {
    let relay = Installation::new().with(HELD).await;
    relay.answers("--invoice", HELD_INVOICE, "is held and waits for news of the customer `cus_kJ1pdSERcrw5ru`, until ");
    relay.why("--invoice", HELD_INVOICE).says(&["Not yet: the purchase", "set `stripe.api_key`"]);
    assert_eq!(relay.json_why("--invoice", HELD_INVOICE)["answer"], "not_yet");
}

#[tokio::test]
async fn a_referral_event_answers_by_its_state() {
    let waiting = Installation::new().with(STORY).await;
    waiting.answers("--invoice", INVOICE, "Not yet: the purchase of 7900 EUR");
    waiting.answers("--invoice", INVOICE, "waits to be sent.");

    let refused = Installation::new().with(STORY).await.dead().await;
    refused.answers("--invoice", INVOICE, "was tried 2 times and Cello refused it: payload.ucc must be a string.");
    refused.why("--invoice", INVOICE).says(&["when the cause is gone, `cello-relay events retry 3`"]);
    refused.answers("--customer", CUSTOMER, "No: the purchase of 7900 EUR");
    refused.why("--customer", CUSTOMER).says(&["referral event 1: you decide"]);

    let given_up = Installation::new().with(STORY).await.sent("retry", "status 503", Then::Dead).await;
    given_up.answers("--invoice", INVOICE, "was tried 2 times and given up, the last time: status 503.");

    let unsure = Installation::new().with(STORY).await.sent("unsure", "the connection broke", Then::Unsure).await;
    unsure.answers("--invoice", INVOICE, "Unsure: the purchase of 7900 EUR");
    assert_eq!(unsure.json_why("--user", USER)["answer"], "unsure");

    let confirmed = ["events", "confirm", "3", "--by", "Mara", "--reason", "it is in the portal"];
    assert_eq!(unsure.run(&confirmed).code, 0);
    unsure.answers("--invoice", INVOICE, "Yes: the purchase of 7900 EUR");
    unsure.answers("--invoice", INVOICE, "Mara says since ");
    unsure.answers("--invoice", INVOICE, "that Cello has it: it is in the portal.");
    unsure.answers("--user", USER, "Yes: Cello has 1 purchase of ");
    assert_eq!(unsure.json_why("--invoice", INVOICE)["answer"], "yes");

    let blocked = Installation::new().with(STORY).await;
    blocked.send_all("rejected", "currency not allowed", Then::Dead).await;
    blocked.answers("--invoice", INVOICE, "Not yet: the purchase of 7900 EUR");
    blocked.answers("--invoice", INVOICE, "waits for referral event 1, dead since 20");
    blocked.answers("--invoice", INVOICE, "Z: currency not allowed.");
    blocked.why("--invoice", INVOICE).says(&["`cello-relay events show 1` says what to do"]);

    let discarded = refused.run(&["events", "discard", "3", "--by", "Mara", "--reason", "paid by mistake", "--yes"]);
    assert_eq!(discarded.code, 0);
    refused.answers("--invoice", INVOICE, "was given up by Mara: paid by mistake.");
}

#[tokio::test]
async fn a_yes_does_not_hide_what_got_stuck() {
    let mut relay = Installation::new();
    for file in
        ["01-customer.created", "02-customer.subscription.created", "03-invoice.paid", "04-invoice_payment.paid"]
    {
        relay = relay.with(&format!("{STORY}/{file}.json")).await;
    }
    let relay = relay.delivered().await.with(&format!("{STORY}/05-charge.refunded.json")).await.dead().await;
    relay.answers("--customer", CUSTOMER, "Yes: Cello has 1 purchase of the customer");
    relay.answers("--customer", CUSTOMER, "But 1 referral event was given up after it was refused or tried too often.");
    relay.why("--customer", CUSTOMER).says(&["referral event 4: you decide"]);
}

#[tokio::test]
async fn one_of_two_invoices_of_a_webhook_is_answered_alone() {
    let relay = Installation::new().with(TWO_INVOICES).await.delivered().await;
    let rows = relay.run(&["events", "list", "--json"]).lines();
    let key = rows.iter().find_map(|row| row["referral_event"]["key"].as_str().filter(|key| key.contains("purchase")));
    let invoice = key.unwrap().rsplit(':').next().unwrap();
    let page = relay.json_why("--invoice", invoice);
    assert_eq!(page["found"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["found"][0]["key"], key.unwrap());
}

#[tokio::test]
async fn a_signup_without_a_purchase_is_a_no_that_says_where_to_look() {
    let relay = Installation::new().with(&format!("{STORY}/01-customer.created.json")).await.delivered().await;
    relay.answers("--user", USER, "No: Cello has the signup of the user usr_10530, but no purchase is known here.");
    relay.why("--user", USER).says(&["look at the provider"]);
}

#[tokio::test]
async fn what_nobody_has_heard_of_is_a_finding_with_what_to_check() {
    let relay = Installation::new().with(STORY).await;
    for (what, hint) in [
        ("--customer", "for the id in your own product use --user"),
        ("--user", "for the provider's id of the customer use --customer"),
        ("--invoice", "payment intent (pi_…)"),
    ] {
        let said = relay.why(what, "nobody\u{1b}[2J");
        assert_eq!(said.code, 1, "{said:?}");
        said.says(&[
            &format!("Nothing is known here of the {} nobody [2J", &what[2..]),
            hint,
            "`cello-relay events list`",
        ]);
        assert!(!said.out.contains('\u{1b}'));
    }
    assert_eq!(relay.json_why("--user", "nobody")["answer"], "unknown");
}

#[test]
fn one_of_the_three_is_asked_for_and_only_one() {
    let relay = Installation::new();
    assert_eq!(relay.run(&["events", "why"]).code, 2);
    assert_eq!(relay.run(&["events", "why", "--invoice", "in_1", "--user", "u_1"]).code, 2);
}

#[tokio::test]
async fn a_yes_says_when_other_purchases_were_not_reported() {
    let relay = Installation::new().with("stories/stripe-late-code-after-30-days").await.delivered().await;
    let customer = relay.run(&["events", "list", "--json"]).lines();
    let event_id = customer.last().unwrap()["event_id"].as_str().unwrap();
    let page = relay.json_why("--invoice", event_id);
    let customer = page["found"][0]["customer"].as_str().unwrap().to_owned();
    relay.answers("--customer", &customer, " But 1 other purchase was not (yet) reported: see below.");
    relay.why("--customer", &customer).says(&["not reported: the code appeared more than 30 days after this"]);
}

#[tokio::test]
async fn an_ignored_webhook_is_found_by_every_id_it_names_and_by_no_address() {
    for (fixture, what, ids) in [
        (
            "chargebee/payment-failed.json",
            "payment_failed",
            ["4185", "zYJg9ZVIys7boJY7", "iqQtEx5PBuozD2Sx", "txn_Ayl150jpX0Shfiyq"],
        ),
        (
            "chargebee/refund-initiated.json",
            "refund_initiated",
            ["4190", "jfAb5MaOHX7snMcR", "CN-328", "txn_S18LZaYLOe6eqgxr"],
        ),
        (
            "stripe/charge-succeeded.json",
            "charge.succeeded",
            [
                "ch_3pkhzLQ8hTzvKe3Rk4RYMf9v",
                "cus_GmQPCfn8o9opjy",
                "pi_3glrJ2Q8hTzvKe3R0IJznox8",
                "evt_1UDSOjQ8hTzvKe3R3953zCgO",
            ],
        ),
    ] {
        let relay = Installation::new().with(fixture).await;
        for id in ids {
            let shown = relay.run(&["events", "show", id, "--json"]);
            assert_eq!((shown.code, shown.lines()[0]["type"].as_str()), (0, Some(what)), "{id}");
        }
        relay.answers("--customer", ids[1], &format!("The newest that tells of it: the webhook {what}, ignored: "));
        let db = rusqlite::Connection::open(relay.folder.path().join("relay.db")).unwrap();
        let odd: i64 = db
            .query_row("SELECT count(*) FROM mention WHERE name LIKE '%@%' OR name LIKE '% %'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(odd, 0, "{fixture}");
    }
}

#[tokio::test]
async fn a_webhook_that_could_not_be_read_is_found_by_what_it_names() {
    let relay = Installation::new();
    let broken = json!({
        "id": "evt_broken", "object": "event", "type": "charge.refunded", "created": 1_767_225_600, "livemode": false,
        "data": { "object": { "id": "ch_broken", "customer": "cus_broken", "invoice": "in_broken" } },
    });
    let relay = relay.with_body(&broken).await;
    relay.answers(
        "--invoice",
        "in_broken",
        "No: the webhook charge.refunded, which names the invoice in_broken, could not be read: ",
    );
    relay.answers("--customer", "cus_broken", "No: the webhook charge.refunded could not be read: charge.refunded ");
    assert_eq!(relay.json_why("--customer", "cus_broken")["found"][0]["reason"], "unreadable");
}

#[tokio::test]
async fn an_invoice_of_which_only_a_failed_payment_is_known_was_not_bought_and_the_webhook_is_named() {
    let relay = Installation::new().with("chargebee/payment-failed.json").await;
    relay.answers(
        "--invoice",
        "4185",
        "No: no purchase is known of the invoice 4185. The newest that tells of it: the webhook payment_failed, ignored: ",
    );
    let said = relay.why("--invoice", "4185");
    said.says(&["if it was paid: have the provider send"]);
    assert!(!said.out.contains("as it should be"), "{}", said.out);
    assert_eq!(relay.json_why("--invoice", "4185")["answer"], "no");
}

#[tokio::test]
async fn the_number_of_a_referral_event_is_no_invoice() {
    let relay = Installation::new().with(STORY).await.delivered().await;
    assert_eq!(relay.run(&["events", "show", "3"]).code, 0);
    let said = relay.why("--invoice", "3");
    assert_eq!(said.code, 1, "{said:?}");
    said.says(&["Nothing is known here of the invoice 3"]);
}

#[tokio::test]
async fn a_repeated_webhook_is_answered_with_what_was_sent_for_the_first() {
    let first = std::fs::read(&crate::given::files(&format!("{STORY}/03-invoice.paid.json"))[0]).unwrap();
    let mut again: Value = serde_json::from_slice(&first).unwrap();
    again["id"] = json!("evt_again");
    let relay = Installation::new().with(STORY).await.with_body(&again).await.delivered().await;
    relay.answers("--invoice", "evt_again", &format!("Yes: the purchase of 7900 EUR, invoice {INVOICE}, was reported"));
    relay.answers("--invoice", INVOICE, "Yes: the purchase of 7900 EUR");
    relay.answers("--customer", CUSTOMER, "Yes: Cello has 1 purchase and 1 refund");
    assert!(!relay.why("--customer", CUSTOMER).out.contains("But "), "a repetition is no other purchase");
}

/// A trial without its first payment: the last webhook that says anything is of no interest.
async fn trial() -> Installation {
    let mut relay = Installation::new();
    for file in crate::given::files("stories/stripe-trial").into_iter().take(4) {
        relay = relay.with(file.to_str().unwrap()).await;
    }
    relay.delivered().await
}

#[tokio::test]
async fn a_trial_has_no_purchase_and_its_empty_invoice_is_none() {
    let relay = trial().await;
    let page = relay.json_why("--user", "usr_10812");
    assert_eq!(
        page["text"],
        "No: Cello has the signup and 1 subscription event of the user usr_10812, but no purchase is known here. For 1 \
         invoice no money was collected."
    );
    let invoice = page["found"].as_array().unwrap().iter().find(|one| one["fact"] == "invoice-paid").unwrap();
    let invoice = invoice["key"].as_str().unwrap().rsplit(':').next().unwrap();
    relay.answers(
        "--invoice",
        invoice,
        &format!("No: the invoice {invoice}, for which no money was collected, was not reported: "),
    );
}

#[tokio::test]
async fn an_invoice_for_nothing_is_not_another_purchase() {
    let relay = Installation::new().with("stories/stripe-trial").await.delivered().await;
    let said = relay.why("--user", "usr_10812");
    said.says(&["Yes: Cello has 1 purchase of the user usr_10812; the newest is the purchase of 3900 USD"]);
    assert!(!said.out.contains("But "), "{}", said.out);
}

#[tokio::test]
async fn a_purchase_that_waits_to_be_sent_is_another_one_not_yet_reported() {
    let relay = Installation::new().with(STORY).await.delivered().await;
    let mut more: Value = serde_json::from_slice(
        &std::fs::read(&crate::given::files(&format!("{STORY}/03-invoice.paid.json"))[0]).unwrap(),
    )
    .unwrap();
    more["id"] = json!("evt_more");
    more["data"]["object"]["id"] = json!("in_more");
    let relay = relay.with_body(&more).await;
    relay.answers("--customer", CUSTOMER, " But 1 other purchase was not (yet) reported: see below.");
}

#[tokio::test]
async fn an_invoice_that_another_customer_paid_is_nobodys_and_says_so_everywhere() {
    let (owner, payer) = ("lH4PEKdFn9wAOFbn", "8JjnnMvrPIYadWFW");
    let relay = Installation::new().with("stories/chargebee-parent-pays-for-child").await.delivered().await;
    let whose = "nothing tells whose it is: a sale to a guest, or an invoice that somebody else paid.";

    relay.answers("--invoice", "9136", &format!("No: the purchase, invoice 9136, was not reported: {whose}"));
    assert_eq!(relay.json_why("--invoice", "9136")["customers"], json!([]), "the owner of the other one is not its");
    relay.answers("--customer", payer, whose);

    let page = relay.json_why("--customer", owner);
    assert!(page["text"].as_str().unwrap().starts_with("Yes: Cello has 1 purchase and 1 refund of the customer"));
    assert!(!page["text"].as_str().unwrap().contains("other purchase"), "{page}");
    assert!(!page.to_string().contains("9136"), "{page}");
}

#[tokio::test]
async fn one_payment_of_several_invoices_by_nobody_knows_whom_is_a_payment_of_each_that_tells_too_little() {
    let file = &crate::given::files("stories/chargebee-one-payment-three-invoices")[1];
    let mut body: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let content = body["content"].as_object_mut().unwrap();
    content.remove("customer");
    for object in ["transaction", "invoice", "subscription"] {
        content[object].as_object_mut().unwrap().remove("customer_id");
    }
    // Credits covered the rest.
    content["transaction"]["linked_invoices"][1]["invoice_total"] = json!(9000);
    let relay = Installation::new().with_body(&body).await;
    for invoice in ["9122", "9124"] {
        relay.answers(
            "--invoice",
            invoice,
            &format!("No: the webhook payment_succeeded, which names the invoice {invoice}, was ignored: there is no customer"),
        );
        let said = relay.why("--invoice", invoice);
        assert!(!said.out.contains("send the webhook of its payment again"), "it came: {}", said.out);
        said.says(&["nothing: where nothing tells whose it is, nobody's referral can be told"]);
    }
}

#[tokio::test]
async fn what_no_try_said_anything_about_leaves_no_gap_in_a_sentence() {
    let relay = Installation::new().with(STORY).await.sent("retry", "", Then::Dead).await;
    relay.answers("--invoice", INVOICE, &format!("invoice {INVOICE}, was tried 2 times and given up."));
    let relay = Installation::new().with(STORY).await.sent("unsure", " ", Then::Unsure).await;
    relay.answers("--invoice", INVOICE, "nobody knows whether Cello took it. A person has to decide.");
    let shown = relay.run(&["events", "show", INVOICE]).out + &relay.why("--user", USER).out;
    assert!(!shown.contains(": \n") && !shown.contains(": .") && !shown.contains(", ,"), "{shown}");
}

#[tokio::test]
async fn a_refund_that_names_nothing_it_paid_back_says_so_without_empty_quotes() {
    let referred = json!({ "id": "cust_r", "created_at": 1_767_000_000, "meta_data": { "cello_ucc": "AbC123dEf45", "new_user_id": "u_r" } });
    let body = json!({
        "id": "ev_r", "api_version": "v2", "event_type": "payment_refunded", "occurred_at": 1_767_225_600,
        "content": {
            "customer": referred,
            "transaction": { "id": "txn_r", "type": "refund", "status": "success", "amount": 500, "currency_code": "EUR" },
        },
    });
    let relay = Installation::new().with_body(&body).await;
    relay.run(&["events", "why", "--customer", "cust_r"]).says(&[
        "waits for news of what it paid back, which it does not name",
        "the refund names neither invoice nor payment",
    ]);
    assert!(!relay.run(&["events", "show", "txn_r"]).out.contains("``"));
}
