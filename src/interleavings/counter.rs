//! Forged cookies are counted by all requests and told of by one.

use std::sync::Arc;

use shuttle::thread;

use super::every_order;
use crate::forgeries::Forgeries;
use crate::sync::Places;

#[test]
fn a_forged_cookie_is_told_of_or_somebody_is_about_to() {
    every_order("forged cookies", Places::All, || {
        let forgeries = Arc::new(Forgeries::default());
        let requests: Vec<_> = (0..2)
            .map(|_| {
                let forgeries = forgeries.clone();
                thread::spawn(move || {
                    if forgeries.note(1) {
                        while forgeries.goes_on() {}
                    }
                })
            })
            .collect();
        for request in requests {
            request.join().expect("no panic");
        }
        assert!(!forgeries.is_forgotten(), "counted, and nobody tells of it");
    });
}
