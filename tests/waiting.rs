//! How the stages of a replay wait is the user's choice, and changes nothing but that.

mod common;

use common::{Fixture, report, success};

#[test]
fn the_user_chooses_how_stages_wait() {
    let fixture = Fixture::new(2000);
    for (wait, reported) in [("spin", "spin"), ("yield", "yield"), ("park", "park(50µs)")] {
        let out = fixture.path(wait);
        success(fixture.replay(&out).args(["--rate", "1MHz", "--workers", "2", "--wait", wait]));
        assert_eq!(report(&out, "/setup/wait"), reported);
        assert_eq!(report(&out, "/events_scored"), 2000);
    }
    let unknown = fixture.replay(&fixture.path("unknown")).args(["--wait", "doze"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
