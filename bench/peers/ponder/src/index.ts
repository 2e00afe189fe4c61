// As Ponder's own example for ERC-721 does it: upsert the token, add the row.
import { ponder } from "ponder:registry";
import { token, transferEvent } from "ponder:schema";

ponder.on("Crowd:Transfer", async ({ event, context }) => {
  const { from, to, tokenId } = event.args as { from: `0x${string}`; to: `0x${string}`; tokenId: bigint };
  await context.db.insert(token).values({ id: tokenId, owner: to }).onConflictDoUpdate({ owner: to });
  await context.db.insert(transferEvent).values({
    id: event.id,
    token: tokenId,
    from,
    to,
    block: event.block.number,
    time: event.block.timestamp,
    logIndex: event.log.logIndex,
    transaction: event.transaction.hash,
  });
});
