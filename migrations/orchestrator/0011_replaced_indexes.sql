-- What 0008 and 0009 have replaced. Nothing is read or built here; the tables are held for a moment.
drop index tx_intents_next_look_at_idx;
drop index tx_candidates_verified_key;
alter index tx_candidates_verified_act_key rename to tx_candidates_verified_key;
