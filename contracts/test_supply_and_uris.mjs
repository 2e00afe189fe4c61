// What stages sell over all wallets, and tokens with URIs of their own; part of test.mjs.
import assert from "node:assert/strict";
import { maxUint256, zeroAddress } from "viem";
import {
  LOW, PRICE, PUBLIC, A, B, C, alice, ask, bob, carol, check, create, creator, eventsOf, factory, params,
  refused, send, stage,
} from "./rig.mjs";

console.log("--- stages' supply");
await check("a stage sells what it may over all wallets, and no more; the collection goes on in others", async () => {
  const made = await create(params({ maxSupply: 10n, stages: [
    stage(PUBLIC, LOW, { maxSupply: 3n, maxPerWallet: 2n }), stage(PUBLIC, PRICE)] }));
  await send(alice, made, "mint", [A, 2n, 0n, []], 2n * LOW);
  const shown = await ask(made, "mintInfoAt", [B, 0n]);
  assert.deepEqual([shown.stageMaxSupply, shown.stageMinted, shown.limitLeft], [3n, 2n, 2n]);
  await refused(bob, made, "mint", [B, 2n, 0n, []], 2n * LOW, "StageSoldOut", [3n, 2n]);
  await send(bob, made, "mint", [B, 1n, 0n, []], LOW);
  await refused(carol, made, "mint", [C, 1n, 0n, []], LOW, "StageSoldOut", [3n, 3n]);
  // A wallet over its own limit is told of that one first.
  await refused(alice, made, "mint", [A, 1n, 0n, []], LOW, "LimitReached", [2n, 2n]);
  // What the minter gives away is not of a stage; another stage has a count of its own.
  await send(creator, made, "mintBatchTo", [[C]]);
  await send(carol, made, "mint", [C, 6n, 1n, []], 6n * PRICE);
  assert.equal((await ask(made, "mintInfoAt", [B, 1n])).stageMinted, 6n);
  await refused(carol, made, "mint", [C, 1n, 1n, []], PRICE, "SoldOut", [10n, 10n]);
});
await check("setStages keeps what a stage sold, also when its limit goes below it", async () => {
  const made = await create(params({ stages: [stage(PUBLIC, 0n, { maxSupply: 5n })] }));
  await send(alice, made, "mint", [A, 3n, 0n, []]);
  await send(creator, made, "setStages", [[stage(PUBLIC, 0n, { maxSupply: 4n })]]);
  await refused(bob, made, "mint", [B, 2n, 0n, []], 0n, "StageSoldOut", [4n, 3n]);
  await send(creator, made, "setStages", [[stage(PUBLIC, 0n, { maxSupply: 2n })]]);
  await refused(bob, made, "mint", [B, 1n, 0n, []], 0n, "StageSoldOut", [2n, 3n]);
  await refused(bob, made, "mint", [B, maxUint256, 0n, []], 0n, "StageSoldOut", [2n, 3n]);
  await send(creator, made, "setStages", [[stage(PUBLIC, 0n)]]);
  await send(bob, made, "mint", [B, 1n, 0n, []]);
  assert.equal((await ask(made, "mintInfo", [B])).stageMinted, 4n);
});


console.log("--- URIs");
await check("the minter mints tokens with their own URIs, within the supply and the bound", async () => {
  const made = await create(params({ maxSupply: 203n, stages: [stage(PUBLIC, 0n)] }));
  await send(alice, made, "mint", [A, 1n, 0n, []]);
  const receipt = await send(creator, made, "mintWithURIs", [B, ["ipfs://two", ""]]);
  assert.deepEqual(eventsOf(receipt, made, "Transfer"),
    [2n, 3n].map((tokenId) => ({ from: zeroAddress, to: B, tokenId })));
  // A token without one of its own stays with the base.
  assert.deepEqual(await Promise.all([1n, 2n, 3n].map((tokenId) => ask(made, "tokenURI", [tokenId]))),
    ["ipfs://base/1", "ipfs://two", "ipfs://base/3"]);
  await refused(alice, made, "mintWithURIs", [A, ["ipfs://x"]], 0n, "AccessControlUnauthorizedAccount");
  await refused(creator, made, "mintWithURIs", [B, []], 0n, "ZeroQuantity");
  await refused(creator, made, "mintWithURIs", [B, Array(201).fill("")], 0n, "TooManyURIs", [201n]);
  await refused(creator, made, "mintWithURIs", [factory.address, ["ipfs://x"]], 0n, "ERC721InvalidReceiver");
  const uri = `ipfs://${"b".repeat(59)}/1.json`;
  const full = await send(creator, made, "mintWithURIs", [B, Array(200).fill(uri)]);
  assert.equal(await ask(made, "tokenURI", [203n]), uri);
  await refused(creator, made, "mintWithURIs", [B, ["ipfs://x"]], 0n, "SoldOut", [203n, 203n]);
  // Nothing of them counts for the stage.
  assert.equal((await ask(made, "mintInfo", [A])).stageMinted, 1n);
  await send(creator, made, "pause");
  await refused(creator, made, "mintWithURIs", [B, ["ipfs://x"]], 0n, "EnforcedPause");
  return `${full.gasUsed} gas for 200`;
});
