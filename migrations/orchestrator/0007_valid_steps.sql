-- The checks of 0004 hold for what is written since; here they are held against the rows from before, while everybody
-- reads and writes on.
alter table tx_intent_steps validate constraint tx_intent_steps_status_check;
alter table tx_candidates validate constraint tx_candidates_source_check;
