// Drives the compiled contracts of out/ on a real anvil; one line a check, and exit code 1 if any failed.
//   VITRINE_TEST_ANVIL_BIN=/path/to/anvil node test.mjs        one of its own, on a free port; goes first
//   VITRINE_TEST_ANVIL=http://127.0.0.1:8545 node test.mjs     a running one (slower; accounts here are fresh ones)
import assert from "node:assert/strict";
import {
  concat, encodeAbiParameters, encodeFunctionData, getContractAddress, hashMessage, keccak256, maxUint256,
  toHex, zeroAddress, zeroHash,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import {
  ALLOWLIST, ERC1155, ERC721, FACTORY, INTERFACES, LOW, PLAIN, PRICE, PUBLIC, A, B, C, OWNER, alice, artifact,
  ask, bob, carol, check, checks, create, creator, deploy, encodeMint, eventsOf, factory, failures,
  implementation1155, implementation721, mined, nextIntent, now, params, proofOfAlice, reader, refused, root,
  send, stage, supports,
} from "./rig.mjs";

console.log("--- factory");
for (const [kind, standard, label] of [[ERC721, 0, "ERC-721"], [ERC1155, 1, "ERC-1155"]]) {
  await check(`${label}: the predicted address is the real one and one event tells all`, async () => {
    const made = await create(params({ maxSupply: 7n }), kind);
    assert.equal(made.address, made.predicted);
    const salt = keccak256(encodeAbiParameters([{ type: "address" }, { type: "bytes32" }], [OWNER, made.intent]));
    assert.deepEqual(made.event, { collection: made.predicted, creator: OWNER, salt, standard, name: "Vitrine",
      symbol: "VTR", contractURI: "ipfs://contract", maxSupply: 7n, royaltyRecipient: C, royaltyBps: 750n });
    assert.equal(await ask(made, "owner"), OWNER);
    assert.equal(await ask(made, "name"), "Vitrine");
    assert.equal(await ask(made, "symbol"), "VTR");
    assert.equal(await ask(made, "maxSupply"), 7n);
    assert.equal(await ask(made, "contractURI"), "ipfs://contract");
    assert.deepEqual(eventsOf(made.receipt, made, "StageUpdated"), [{ index: 0, price: PRICE }]);
    const code = await reader.getCode({ address: made.address });
    const target = kind === ERC721 ? implementation721 : implementation1155;
    assert.equal(code, `0x363d3d373d3d3d363d73${target.slice(2).toLowerCase()}5af43d82803e903d91602b57fd5bf3`);
    return `${made.receipt.gasUsed} gas`;
  });
  await check(`${label}: the same intent twice is refused, another creator's is not`, async () => {
    const { intent } = await create(params(), kind);
    const name = standard === 0 ? "createERC721Collection" : "createERC1155Collection";
    await refused(creator, factory, name, [params(), intent], 0n, "FailedDeployment");
    await reader.simulateContract({ ...factory, functionName: name, args: [params(), intent], account: alice.account });
  });
}
await check("the salt of a known pair is the one that other implementations test against", async () => {
  const salt = await ask(factory, "saltOf", [`0x${"11".repeat(20)}`, `0x${"22".repeat(32)}`]);
  assert.equal(salt, "0xf4f69ba108f6504dc58f181a5b843d353a4b9b2ec8149a50e0822656df2c3a8c");
});
await check("an implementation and a finished clone cannot be initialized", async () => {
  const made = await create(params());
  for (const address of [implementation721, implementation1155, made.address]) {
    await refused(alice, { abi: ERC721.abi, address }, "initialize", [params(), A], 0n, "InvalidInitialization");
  }
});
await check("the factory refuses an implementation without code", async () => {
  const address = getContractAddress({ from: A, nonce: 999n });
  await assert.rejects(reader.estimateGas({ account: alice.account, data: concat([FACTORY.bytecode,
    encodeAbiParameters([{ type: "address" }, { type: "address" }], [address, implementation1155])]) }));
});
await check("a malformed stage is refused: unknown kind, an end before the start, too many", async () => {
  const tryWith = (stages, error) => (async () => {
    const made = await create(params());
    await refused(creator, made, "setStages", [stages], 0n, error);
  })();
  await tryWith([stage(PUBLIC, 0n), stage(2, 0n)], "InvalidStage");
  await tryWith([stage(PUBLIC, 0n, { startsAt: 10n, endsAt: 10n })], "InvalidStage");
  await tryWith(Array(17).fill(stage(PUBLIC, 0n)), "TooManyStages");
});

console.log("--- ERC-721 mint");
const open = await create(params({ maxSupply: 10n, stages: [stage(PUBLIC, PRICE, { maxPerWallet: 4n })] }));
await check("a public mint of one: Transfer from zero, id 1", async () => {
  const receipt = await send(alice, open, "mint", [A, 1n, 0n, []], PRICE);
  assert.deepEqual(eventsOf(receipt, open, "Transfer"), [{ from: zeroAddress, to: A, tokenId: 1n }]);
  assert.equal(await ask(open, "ownerOf", [1n]), A);
  assert.ok(receipt.gasUsed < 160_000n, `${receipt.gasUsed} gas`);
  return `${receipt.gasUsed} gas`;
});
await check("a public mint of three to somebody else: ids 2 to 4, the sender's limit", async () => {
  const receipt = await send(alice, open, "mint", [B, 3n, 0n, []], 3n * PRICE);
  assert.deepEqual(eventsOf(receipt, open, "Transfer").map((event) => [event.to, event.tokenId]),
    [[B, 2n], [B, 3n], [B, 4n]]);
  const [ofAlice, ofBob] = [await ask(open, "mintedBy", [0n, A]), await ask(open, "mintedBy", [0n, B])];
  assert.deepEqual([ofAlice, ofBob], [4n, 0n]);
  return `${receipt.gasUsed} gas`;
});
await check("one over the wallet's limit is refused with both numbers", async () => {
  await refused(alice, open, "mint", [A, 1n, 0n, []], PRICE, "LimitReached", [4n, 4n]);
  await refused(bob, open, "mint", [B, 5n, 0n, []], 5n * PRICE, "LimitReached", [4n, 0n]);
  await refused(bob, open, "mint", [B, maxUint256, 0n, []], 0n, "LimitReached", [4n, 0n]);
});
await check("a wrong payment is refused with what was due: less, more, none", async () => {
  for (const sent of [PRICE - 1n, PRICE + 1n, 0n]) {
    await refused(bob, open, "mint", [B, 1n, 0n, []], sent, "WrongPayment", [PRICE, sent]);
  }
});
await check("zero tokens and an unknown stage are refused", async () => {
  await refused(bob, open, "mint", [B, 0n, 0n, []], 0n, "ZeroQuantity");
  await refused(bob, open, "mint", [B, 1n, 9n, []], PRICE, "UnknownStage", [9n]);
});
await check("a contract that does not take ERC-721 tokens receives none", async () => {
  await refused(bob, open, "mint", [factory.address, 1n, 0n, []], PRICE, "ERC721InvalidReceiver");
});
await check("the last tokens go, one more is sold out", async () => {
  await send(bob, open, "mint", [B, 4n, 0n, []], 4n * PRICE);
  await refused(carol, open, "mint", [C, 3n, 0n, []], 3n * PRICE, "SoldOut", [10n, 8n]);
  await send(carol, open, "mint", [C, 2n, 0n, []], 2n * PRICE);
  await refused(carol, open, "mint", [C, 1n, 0n, []], PRICE, "SoldOut", [10n, 10n]);
  assert.equal(await ask(open, "totalSupply"), 10n);
});
await check("burning is for the holder, leaves the supply sold out, and Transfer goes to zero", async () => {
  await refused(bob, open, "burn", [1n], 0n, "ERC721InsufficientApproval");
  const receipt = await send(alice, open, "burn", [1n]);
  assert.deepEqual(eventsOf(receipt, open, "Transfer"), [{ from: A, to: zeroAddress, tokenId: 1n }]);
  assert.equal(await ask(open, "totalSupply"), 9n);
  await refused(carol, open, "mint", [C, 1n, 0n, []], PRICE, "SoldOut", [10n, 10n]);
  await refused(alice, open, "tokenURI", [1n], 0n, "ERC721NonexistentToken");
});
await check("the takings go to whom the admin names, to nobody else, never to zero", async () => {
  const target = privateKeyToAccount(generatePrivateKey()).address;
  await refused(alice, open, "withdraw", [A], 0n, "AccessControlUnauthorizedAccount");
  await refused(creator, open, "withdraw", [zeroAddress], 0n, "WithdrawFailed");
  await refused(creator, open, "withdraw", [factory.address], 0n, "WithdrawFailed");
  await send(creator, open, "withdraw", [target]);
  assert.equal(await reader.getBalance({ address: target }), 10n * PRICE);
});

console.log("--- stages");
const staged = await create(params({ stages: [
  stage(ALLOWLIST, LOW, { maxPerWallet: 2n, merkleRoot: root, endsAt: now + 1_000_000n }),
  stage(PUBLIC, PRICE, { startsAt: now + 1_000_000n, endsAt: now + 2_000_000n }),
] }));
await check("a listed wallet mints with its proof", async () => {
  const receipt = await send(alice, staged, "mint", [A, 1n, 0n, proofOfAlice], LOW);
  return `${receipt.gasUsed} gas`;
});
await check("no proof, another's proof, and another's wallet are not on the list", async () => {
  await refused(alice, staged, "mint", [A, 1n, 0n, []], LOW, "NotAllowlisted", [A]);
  await refused(carol, staged, "mint", [C, 1n, 0n, proofOfAlice], LOW, "NotAllowlisted", [C]);
  await refused(carol, staged, "mint", [A, 1n, 0n, proofOfAlice], LOW, "NotAllowlisted", [C]);
});
await check("a list with a zero root admits nobody", async () => {
  const made = await create(params({ stages: [stage(ALLOWLIST, 0n)] }));
  await refused(alice, made, "mint", [A, 1n, 0n, []], 0n, "NotAllowlisted", [A]);
});
await check("a stage opens with its first second and closes before its last", async () => {
  const at = (time) => reader.call({ account: carol.account, to: staged.address, value: PRICE,
    data: encodeMint(staged, [C, 1n, 1n, []]), blockOverrides: { time } });
  await refused(carol, staged, "mint", [C, 1n, 1n, []], PRICE, "MintNotOpen", [1n]);
  await assert.rejects(at(now + 999_999n));
  await at(now + 1_000_000n);
  await at(now + 1_999_999n);
  await assert.rejects(at(now + 2_000_000n));
});
await check("an ended stage is closed", async () => {
  const made = await create(params({ stages: [stage(PUBLIC, 0n, { endsAt: now - 1n })] }));
  await refused(alice, made, "mint", [A, 1n, 0n, []], 0n, "MintNotOpen", [0n]);
});
await check("mintInfo shows the open stage, the price, what is left; an open public stage goes first", async () => {
  const shown = await ask(staged, "mintInfo", [A]);
  assert.deepEqual(shown, { open: true, stageId: 0n, kind: ALLOWLIST, price: LOW, startsAt: now - 100n,
    endsAt: now + 1_000_000n, maxPerWallet: 2n, merkleRoot: root, minted: 1n, limitLeft: 1n, totalMinted: 1n,
    maxSupply: 0n, paused: false, stageMaxSupply: 0n, stageMinted: 1n });
  const closed = await ask(staged, "mintInfoAt", [A, 1n]);
  assert.deepEqual([closed.open, closed.price, closed.limitLeft], [false, PRICE, maxUint256]);
  await refused(alice, staged, "mintInfoAt", [A, 2n], 0n, "UnknownStage", [2n]);
  const both = await create(params({ stages: [stage(ALLOWLIST, LOW), stage(PUBLIC, PRICE)] }));
  assert.equal((await ask(both, "mintInfo", [A])).stageId, 1n);
  const none = await create(params({ stages: [], maxSupply: 5n }));
  const nothing = await ask(none, "mintInfo", [A]);
  assert.deepEqual([nothing.open, nothing.price, nothing.maxSupply], [false, 0n, 5n]);
});
await check("setStages replaces all, says so per stage, keeps what wallets minted", async () => {
  await refused(alice, staged, "setStages", [[]], 0n, "AccessControlUnauthorizedAccount");
  const receipt = await send(creator, staged, "setStages",
    [[stage(PUBLIC, LOW, { maxPerWallet: 1n }), stage(PUBLIC, PRICE)]]);
  assert.deepEqual(eventsOf(receipt, staged, "StageUpdated"), [{ index: 0, price: LOW }, { index: 1, price: PRICE }]);
  assert.equal((await ask(staged, "stages")).length, 2);
  await refused(alice, staged, "mint", [A, 1n, 0n, []], LOW, "LimitReached", [1n, 1n]);
});

await import("./test_supply_and_uris.mjs");

console.log("--- administration");
const governed = await create(params({ maxSupply: 4n, stages: [stage(PUBLIC, 0n)] }));
await check("the minter gives one token to each address, within the supply", async () => {
  const receipt = await send(creator, governed, "mintBatchTo", [[A, B, A]]);
  assert.deepEqual(eventsOf(receipt, governed, "Transfer").map((event) => event.to), [A, B, A]);
  await refused(creator, governed, "mintBatchTo", [[A, B]], 0n, "SoldOut", [4n, 3n]);
  await refused(alice, governed, "mintBatchTo", [[A]], 0n, "AccessControlUnauthorizedAccount");
  await refused(creator, governed, "mintBatchTo", [[]], 0n, "ZeroQuantity");
});
await check("a pause stops mints and not transfers", async () => {
  await refused(alice, governed, "pause", [], 0n, "AccessControlUnauthorizedAccount");
  const receipt = await send(creator, governed, "pause");
  assert.deepEqual(eventsOf(receipt, governed, "Paused"), [{ account: OWNER }]);
  await refused(alice, governed, "mint", [A, 1n, 0n, []], 0n, "EnforcedPause");
  await refused(creator, governed, "mintBatchTo", [[A]], 0n, "EnforcedPause");
  assert.equal((await ask(governed, "mintInfo", [A])).paused, true);
  await send(alice, governed, "transferFrom", [A, C, 3n]);
  await send(creator, governed, "unpause");
  await send(alice, governed, "mint", [A, 1n, 0n, []]);
});
await check("metadata: ERC-4906 for a token and for all, base and own URI, ERC-7572", async () => {
  assert.equal(await ask(governed, "tokenURI", [2n]), "ipfs://base/2");
  const own = await send(creator, governed, "setTokenURI", [2n, "ipfs://own"]);
  assert.deepEqual(eventsOf(own, governed, "MetadataUpdate"), [{ _tokenId: 2n }]);
  const all = await send(creator, governed, "setBaseURI", ["ipfs://new/"]);
  assert.deepEqual(eventsOf(all, governed, "BatchMetadataUpdate"), [{ _fromTokenId: 0n, _toTokenId: maxUint256 }]);
  assert.equal(await ask(governed, "tokenURI", [2n]), "ipfs://own");
  assert.equal(await ask(governed, "tokenURI", [1n]), "ipfs://new/1");
  const contract = await send(creator, governed, "setContractURI", ["ipfs://contract2"]);
  assert.equal(eventsOf(contract, governed, "ContractURIUpdated").length, 1);
  assert.equal(await ask(governed, "contractURI"), "ipfs://contract2");
  for (const [name, args] of [["setTokenURI", [2n, ""]], ["setBaseURI", [""]], ["setContractURI", [""]],
    ["setDefaultRoyalty", [A, 1n]]]) {
    await refused(alice, governed, name, args, 0n, "AccessControlUnauthorizedAccount");
  }
  await refused(creator, governed, "setTokenURI", [99n, ""], 0n, "ERC721NonexistentToken");
});
await check("royaltyInfo is the creator's share, none when none was asked for", async () => {
  assert.deepEqual(await ask(governed, "royaltyInfo", [1n, 10_000n]), [C, 750n]);
  const free = await create(params({ royaltyRecipient: zeroAddress, royaltyBps: 0n }));
  assert.deepEqual(await ask(free, "royaltyInfo", [1n, 10_000n]), [zeroAddress, 0n]);
  // The clone's error comes through the factory.
  const both = { ...factory, abi: [...FACTORY.abi, ...ERC721.abi.filter((item) => item.type === "error")] };
  await refused(creator, both, "createERC721Collection", [params({ royaltyBps: 10_001n }), nextIntent()], 0n,
    "ERC2981InvalidDefaultRoyalty");
});
await check("a new owner takes the three roles over", async () => {
  const made = await create(params());
  const [admin, minter, pauser] =
    [zeroHash, await ask(made, "MINTER_ROLE"), await ask(made, "PAUSER_ROLE")];
  const receipt = await send(creator, made, "transferOwnership", [A]);
  assert.deepEqual(eventsOf(receipt, made, "OwnershipTransferred"), [{ previousOwner: OWNER, newOwner: A }]);
  assert.equal(eventsOf(receipt, made, "RoleGranted").length, 3);
  assert.equal(eventsOf(receipt, made, "RoleRevoked").length, 3);
  for (const role of [admin, minter, pauser]) {
    assert.equal(await ask(made, "hasRole", [role, A]), true);
    assert.equal(await ask(made, "hasRole", [role, OWNER]), false);
  }
  await refused(creator, made, "pause", [], 0n, "AccessControlUnauthorizedAccount");
});
await check("interfaces of the ERC-721 collection", async () => {
  for (const [name, interfaceId] of Object.entries({ ...INTERFACES, "ERC-721": "0x80ac58cd",
    "ERC-721 metadata": "0x5b5e139f" })) assert.equal(await supports(governed, interfaceId), true, name);
  for (const interfaceId of ["0xffffffff", "0xd9b67a26", "0x780e9d63"]) {
    assert.equal(await supports(governed, interfaceId), false, interfaceId);
  }
});

console.log("--- ERC-1155");
const editions = await create(params({ baseURI: "ipfs://e/{id}.json", maxSupply: 5n, stages: [
  stage(PUBLIC, PRICE, { maxPerWallet: 8n }), stage(ALLOWLIST, 0n, { merkleRoot: root, maxPerWallet: 1n })] }), ERC1155);
await check("a mint of two units of id 7: TransferSingle from zero", async () => {
  const receipt = await send(alice, editions, "mint", [A, 7n, 2n, 0n, []], 2n * PRICE);
  assert.deepEqual(eventsOf(receipt, editions, "TransferSingle"),
    [{ operator: A, from: zeroAddress, to: A, id: 7n, value: 2n }]);
  assert.equal(await ask(editions, "balanceOf", [A, 7n]), 2n);
  assert.equal(await ask(editions, "totalSupply", [7n]), 2n);
  return `${receipt.gasUsed} gas`;
});
await check("a batch: TransferBatch, the sum is paid and counted, the same id twice adds up", async () => {
  await refused(alice, editions, "mintBatch", [A, [1n, 2n], [1n], 0n, []], PRICE, "LengthMismatch");
  await refused(alice, editions, "mintBatch", [A, [1n, 2n], [1n, 0n], 0n, []], PRICE, "ZeroQuantity");
  await refused(alice, editions, "mintBatch", [A, [], [], 0n, []], 0n, "ZeroQuantity");
  await refused(alice, editions, "mintBatch", [A, [1n, 2n], [1n, 2n], 0n, []], PRICE, "WrongPayment",
    [3n * PRICE, PRICE]);
  await refused(alice, editions, "mintBatch", [A, [1n, 1n], [3n, 3n], 0n, []], 6n * PRICE, "SoldOut", [5n, 3n]);
  const receipt = await send(alice, editions, "mintBatch", [B, [1n, 2n, 1n], [1n, 2n, 1n], 0n, []], 4n * PRICE);
  assert.deepEqual(eventsOf(receipt, editions, "TransferBatch"),
    [{ operator: A, from: zeroAddress, to: B, ids: [1n, 2n, 1n], values: [1n, 2n, 1n] }]);
  assert.equal(await ask(editions, "totalSupply", [1n]), 2n);
  await refused(alice, editions, "mint", [A, 3n, 3n, 0n, []], 3n * PRICE, "LimitReached", [8n, 6n]);
});
await check("each id has the supply for itself; burned units do not come back", async () => {
  await send(bob, editions, "mint", [B, 7n, 3n, 0n, []], 3n * PRICE);
  await refused(bob, editions, "mint", [B, 7n, 1n, 0n, []], PRICE, "SoldOut", [5n, 5n]);
  await refused(bob, editions, "burn", [A, 7n, 1n], 0n, "ERC1155MissingApprovalForAll");
  await refused(bob, editions, "burn", [B, 7n, 9n], 0n, "ERC1155InsufficientBalance");
  const one = await send(bob, editions, "burn", [B, 7n, 1n]);
  assert.equal(eventsOf(one, editions, "TransferSingle")[0].to, zeroAddress);
  await send(bob, editions, "burnBatch", [B, [1n, 2n], [1n, 1n]]);
  assert.deepEqual([await ask(editions, "totalSupply", [7n]), await ask(editions, "totalMinted", [7n])], [4n, 5n]);
  await refused(bob, editions, "mint", [B, 7n, 1n, 0n, []], PRICE, "SoldOut", [5n, 5n]);
});
await check("the allowlist, the payment and the pause hold here too", async () => {
  await refused(carol, editions, "mint", [C, 9n, 1n, 1n, []], 0n, "NotAllowlisted", [C]);
  await send(alice, editions, "mint", [A, 9n, 1n, 1n, proofOfAlice]);
  await refused(alice, editions, "mint", [A, 9n, 1n, 1n, proofOfAlice], 0n, "LimitReached", [1n, 1n]);
  await refused(carol, editions, "mint", [C, 9n, 1n, 0n, []], 0n, "WrongPayment", [PRICE, 0n]);
  await send(creator, editions, "pause");
  for (const [name, args] of [["mint", [C, 9n, 1n, 0n, []]], ["mintBatch", [C, [9n], [1n], 0n, []]]]) {
    await refused(carol, editions, name, args, PRICE, "EnforcedPause");
  }
  await send(creator, editions, "unpause");
});
await check("the minter gives units away; somebody else may not", async () => {
  await send(creator, editions, "mintBatchTo", [[A, B], [20n, 21n], [1n, 5n]]);
  assert.equal(await ask(editions, "balanceOf", [B, 21n]), 5n);
  await refused(creator, editions, "mintBatchTo", [[A], [21n], [1n]], 0n, "SoldOut", [5n, 5n]);
  await refused(alice, editions, "mintBatchTo", [[A], [22n], [1n]], 0n, "AccessControlUnauthorizedAccount");
});
await check("metadata: the base with {id}, an own URI with its URI event", async () => {
  assert.equal(await ask(editions, "uri", [7n]), "ipfs://e/{id}.json");
  const receipt = await send(creator, editions, "setTokenURI", [7n, "ipfs://seven"]);
  assert.deepEqual(eventsOf(receipt, editions, "URI"), [{ value: "ipfs://seven", id: 7n }]);
  assert.deepEqual(eventsOf(receipt, editions, "MetadataUpdate"), [{ _tokenId: 7n }]);
  assert.equal(await ask(editions, "uri", [7n]), "ipfs://seven");
  assert.deepEqual(await ask(editions, "royaltyInfo", [7n, 10_000n]), [C, 750n]);
});
await check("nobody can close a free edition for others by minting all there can be of one id", async () => {
  const free = await create(params({ stages: [stage(PUBLIC, 0n)] }), ERC1155);
  await send(alice, free, "mint", [A, 1n, 2n ** 256n - 1n, 0n, []], 0n);
  await send(bob, free, "mint", [B, 2n, 5n, 0n, []], 0n);
  assert.equal(await ask(free, "totalSupply", [2n]), 5n);
  assert.equal((await ask(free, "mintInfo", [B])).stageMinted, maxUint256);
});
await check("interfaces of the ERC-1155 collection", async () => {
  for (const [name, interfaceId] of Object.entries({ ...INTERFACES, "ERC-1155": "0xd9b67a26",
    "ERC-1155 metadata": "0x0e89341c" })) assert.equal(await supports(editions, interfaceId), true, name);
  for (const interfaceId of ["0xffffffff", "0x80ac58cd"]) assert.equal(await supports(editions, interfaceId), false);
});

console.log("--- wallets that are contracts");
const trial = (name) => artifact(`test/${name}`);
const MAGIC = "0x1626ba7e";
const makeWallet = { abi: trial("OwnedWalletFactory").abi,
  address: await deploy(creator, trial("OwnedWalletFactory")) };
const ownedWallet = async (owner, salt) => {
  const address = await ask(makeWallet, "predict", [owner, salt]);
  await send(creator, makeWallet, "deploy", [owner, salt]);
  return { abi: trial("OwnedWallet").abi, address };
};
await check("a wallet is where it was predicted, and a second deployment of it changes nothing", async () => {
  const made = await ownedWallet(A, zeroHash);
  assert.ok((await reader.getCode({ address: made.address })).length > 2);
  assert.equal(await ask(made, "owner"), A);
  assert.equal((await ownedWallet(A, zeroHash)).address, made.address);
});
await check("what its owner signed is signed, what others signed is not, and a new owner ends it", async () => {
  const made = await ownedWallet(A, toHex(1n, { size: 32 }));
  const hash = hashMessage("hello");
  const [own, other] = [await alice.account.signMessage({ message: "hello" }), await bob.account.signMessage({ message: "hello" })];
  assert.equal(await ask(made, "isValidSignature", [hash, own]), MAGIC);
  assert.equal(await ask(made, "isValidSignature", [hash, other]), "0xffffffff");
  assert.equal(await ask(made, "isValidSignature", [hashMessage("hallo"), own]), "0xffffffff");
  assert.equal(await ask(made, "isValidSignature", [hash, "0x1234"]), "0xffffffff");
  await send(alice, made, "transferOwnership", [B]);
  assert.equal(await ask(made, "isValidSignature", [hash, own]), "0xffffffff");
  assert.equal(await ask(made, "isValidSignature", [hash, other]), MAGIC);
});
await check("it does what its owner asks for, and nothing for others", async () => {
  const made = await ownedWallet(A, toHex(2n, { size: 32 }));
  await alice.sendTransaction({ to: made.address, value: 10n }).then(mined);
  const target = privateKeyToAccount(generatePrivateKey()).address;
  await refused(bob, made, "execute", [target, 7n, "0x"], 0n, "OwnableUnauthorizedAccount");
  await send(alice, made, "execute", [target, 7n, "0x"]);
  assert.equal(await reader.getBalance({ address: target }), 7n);
});
await check("no hostile contract gives the right answer within the caps of a verifier", async () => {
  const asked = encodeFunctionData({ abi: trial("OwnedWallet").abi, functionName: "isValidSignature", args: [zeroHash, "0x"] });
  const right = `${MAGIC}${"0".repeat(56)}`;
  for (const name of ["Dirty", "Empty", "Huge", "Large", "Long", "Loop", "Revert", "RightAligned", "Short", "True"]) {
    const to = await deploy(creator, trial(`Hostile${name}`));
    const answer = await reader.call({ to, data: asked, gas: 1_000_000n }).then(({ data }) => data, () => "refused");
    assert.notEqual(answer, right, name);
    if (["Huge", "Loop", "Revert"].includes(name)) assert.equal(answer, "refused", name);
    else if (name !== "Empty") assert.notEqual(answer, "refused", name);
  }
});

console.log("--- a foreign collection");
await check("anybody mints from the plain ERC-721", async () => {
  const plain = { abi: PLAIN.abi, address: await deploy(bob, PLAIN, ["Plain", "PLN"]) };
  const receipt = await send(alice, plain, "mint", [A]);
  assert.deepEqual(eventsOf(receipt, plain, "Transfer"), [{ from: zeroAddress, to: A, tokenId: 1n }]);
});

console.log(`${checks - failures} of ${checks} checks passed`);
process.exit(failures === 0 ? 0 : 1);
