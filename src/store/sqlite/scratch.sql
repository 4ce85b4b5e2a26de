-- Turns fresh tables into those of a scratch store: what only sending, counting and looking for things later need is
-- left out. Deciding asks none of it.

PRAGMA foreign_keys = OFF;

DROP INDEX webhook_by_state;
DROP INDEX decision_to_wake;
DROP INDEX referral_event_by_webhook;
DROP INDEX referral_event_by_state;
DROP INDEX referral_event_due;
DROP INDEX referral_event_next;
DROP INDEX referral_event_suspect;
DROP INDEX referral_event_overdue;
DROP INDEX referral_event_blocked;
DROP INDEX referral_event_after_signup;
DROP INDEX referral_event_after_purchase;

DROP TRIGGER webhook_arrived;
DROP TRIGGER webhook_came_again;
DROP TRIGGER webhook_moved;
DROP TRIGGER referral_event_made;
DROP TRIGGER referral_event_moved;

-- Nobody will ask by a name.
CREATE TRIGGER nobody_asks BEFORE INSERT ON mention BEGIN SELECT RAISE(IGNORE); END;
