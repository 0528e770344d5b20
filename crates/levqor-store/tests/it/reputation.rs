//! Errors of networks, and their forgiveness.

use std::time::Duration;

use levqor_store::reputation::{Errors, TOLD_MAX};

use crate::support::{NOW, World, region};

fn errors(network: &str, seconds: u64, errors: i64) -> Errors {
    Errors { network: network.to_owned(), slot: NOW + Duration::from_secs(seconds), errors }
}

#[tokio::test]
async fn the_errors_of_all_nodes_add_up_within_their_region() {
    let world = World::new();
    let (store, here) = (&world.store, region("eu-west"));
    let tell = async |told: Vec<Errors>| store.add_address_errors(region("eu-west"), told).await.unwrap();
    tell(vec![errors("192.0.2.1", 0, 20), errors("192.0.2.1", 10, 5), errors("192.0.2.2", 0, 9)]).await;
    tell(vec![errors("192.0.2.1", 10, 25)]).await;
    tell(Vec::new()).await;
    store.add_address_errors(region("us-east"), vec![errors("192.0.2.2", 0, 70)]).await.unwrap();
    let suspects = async |since: u64, min| {
        store.errors_of_suspects(here.clone(), NOW + Duration::from_secs(since), min).await.unwrap()
    };
    assert_eq!(suspects(0, 50).await, [errors("192.0.2.1", 0, 20), errors("192.0.2.1", 10, 30)]);
    assert_eq!(suspects(0, 51).await, []);
    assert_eq!(suspects(1, 50).await, [], "older ones count no more");
    assert_eq!(suspects(0, 9).await.len(), 3);
    let many = (0..u8::MAX).map(|n| errors(&format!("198.51.100.{n}"), 0, 100)).collect();
    tell(many).await;
    assert_eq!(suspects(0, 100).await.len(), TOLD_MAX, "so many at once");
}

#[tokio::test]
async fn who_is_forgiven_begins_anew_and_all_nodes_learn_of_it() {
    let world = World::new();
    let (store, here) = (&world.store, region("eu-west"));
    for place in [here.clone(), region("us-east")] {
        let told = vec![errors("192.0.2.1", 0, 60), errors("192.0.2.2", 0, 60)];
        store.add_address_errors(place, told).await.unwrap();
    }
    let later = NOW + Duration::from_secs(5);
    for at in [NOW, later] {
        store.pardon_address("192.0.2.1".parse().unwrap(), at).await.unwrap();
    }
    for place in [here.clone(), region("us-east")] {
        let left = store.errors_of_suspects(place, NOW, 50).await.unwrap();
        assert_eq!(left, [errors("192.0.2.2", 0, 60)]);
    }
    let pardons = store.address_pardons(NOW).await.unwrap();
    assert_eq!(
        pardons.iter().map(|it| (it.network.as_str(), it.at)).collect::<Vec<_>>(),
        [("192.0.2.1", later)]
    );
    assert_eq!(store.address_pardons(later + Duration::from_secs(1)).await, Ok(Vec::new()));
    store.prune_addresses(later + Duration::from_secs(1)).await.unwrap();
    assert_eq!(store.address_pardons(NOW).await, Ok(Vec::new()));
    assert_eq!(store.errors_of_suspects(here, NOW, 1).await, Ok(Vec::new()));
}
