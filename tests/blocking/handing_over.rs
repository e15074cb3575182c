//! Deletions that are left to the hub, and do not reach it.

use std::sync::atomic::{AtomicBool, Ordering};

use scramjet_client_blocking::core::flow::Deleted;
use serde_json::json;

use crate::helpers::within;
use crate::stand_in::{Scene, StandIn, says};

#[test]
fn deployment_close_sends_the_deletion_again_if_the_connection_was_lost() {
    within("deleting", || {
        let losses: [fn() -> Scene; 2] = [
            || Scene::Cut,
            || says("502 Bad Gateway", &json!({ "error": "no hub" })),
        ];
        for lost in losses {
            let first = AtomicBool::new(true);
            let hub = StandIn::start("1.0.1", move |words| match words {
                "DELETE /sequence/the-sequence" => {
                    says("409 Conflict", &json!({ "error": "in use" }))
                }
                "DELETE /sequence/the-sequence by force" => {
                    if first.swap(false, Ordering::Relaxed) {
                        return lost();
                    }
                    // The hub goes on with it.
                    Scene::Silence
                }
                _ => Scene::Usual,
            });
            let deployment = hub.host().deploy(Vec::from(*b"\x1f\x8b")).unwrap();
            assert_eq!(deployment.close().unwrap(), Deleted::HandedOver);
            assert_eq!(hub.seen("by force").len(), 2);
        }
    });
}
