//! An old copy of the store is put back: what was told since is told again where the provider sends it again, in the
//! same words, so that it can be recognised.

use std::fs;

use cello_relay::cello::Sandbox;

use crate::stage::{Place, Serving, customer_created, event_id};

#[tokio::test]
async fn after_an_old_copy_was_put_back_what_is_told_twice_is_told_in_the_same_words() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let bodies = [customer_created(0, false), customer_created(1, false)];
    let (store, copy) = (place.folder.path().join("relay.db"), place.folder.path().join("copy.db"));
    for (number, body) in bodies.iter().enumerate() {
        let serving = Serving::start(place.serve(&cello)).await;
        assert_eq!(serving.post.stripe(body).await.unwrap(), 200);
        cello.wait_for(number + 1).await;
        assert_eq!(serving.terminate().await.0, Some(0));
        assert!(!place.folder.path().join("relay.db-wal").exists(), "one file, once it has stopped");
        if number == 0 {
            fs::copy(&store, &copy).unwrap();
        }
    }

    fs::copy(&copy, &store).unwrap();
    let serving = Serving::start(place.serve(&cello)).await;
    assert!(place.life(&event_id(1)).await.is_none(), "the copy does not know of it");
    for body in &bodies {
        assert_eq!(serving.post.stripe(body).await.unwrap(), 200);
    }

    let received = cello.wait_for(3).await;
    assert_eq!(serving.terminate().await.0, Some(0));
    assert_eq!(cello.received().len(), 3, "what the copy knows of is not told again");
    assert_eq!(received[2].text, received[1].text);
    assert_ne!(received[1].text, received[0].text);
    assert_eq!(place.life(&event_id(0)).await.unwrap().duplicates, 1);
}
