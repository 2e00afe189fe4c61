-- What 0009 has replaced. Nothing is read or built here; the table is held for a moment. The index that 0008 has replaced
-- is still read by trackers of the release before and goes with the next one.
drop index tx_candidates_verified_key;
alter index tx_candidates_verified_act_key rename to tx_candidates_verified_key;
