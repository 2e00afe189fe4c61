-- The last link of an identity, whoever had it: the next one's id is to be greater, whatever the clock says.
create index wallet_activity_identity_idx on wallet_activity ((metadata ->> 'identity'), wallet_id desc);
