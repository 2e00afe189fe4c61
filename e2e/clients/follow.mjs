// What becomes of intents on a chain that does everything a chain may do: transactions are sped up, cancelled, replaced,
// dropped, reverted, reorganised away and included again, or never sent. Between any two steps it says `barrier` and waits
// for a line: there the orchestrator is killed. Blocks come when this script says so.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { keccak256, parseAbi, parseGwei, zeroAddress } from 'viem'
import { CHAIN } from './door.mjs'
import { anvil, asViem, chainId, newcomer, ok, reader, seen } from './person.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
async function barrier(what) {
  console.log(`barrier ${what}`)
  await lines.next()
}
const blocks = async (on) => {
  await anvil.setAutomine(false)
  await anvil.setIntervalMining({ interval: on ? 1 : 0 })
}
const abi = parseAbi(['function pause()', 'function ownerOf(uint256) view returns (address)'])
const PUBLIC = [{ kind: 'PUBLIC', priceRaw: '1000' }]

/** Signs a transaction of a fresh wallet's first nonce, and keeps it: it may have to be sent again. */
async function sign(one, transaction, over = {}) {
  const raw = await one.account.signTransaction({ ...asViem(transaction), chainId: CHAIN, type: 'eip1559', nonce: 0, ...over })
  return { raw, hash: keccak256(raw) }
}
const push = ({ raw }) => reader.request({ method: 'eth_sendRawTransaction', params: [raw] })
const dearer = ({ maxFeePerGas, maxPriorityFeePerGas }) => ({
  maxFeePerGas: BigInt(maxFeePerGas) * 2n + parseGwei('2'),
  maxPriorityFeePerGas: BigInt(maxPriorityFeePerGas) * 2n + parseGwei('1'),
})

// ---- the cast

const [creator, pauser] = await Promise.all([newcomer(), newcomer()])
const [steady, fragile] = await Promise.all([creator.create('ERC721', PUBLIC), pauser.create('ERC721', PUBLIC)])
const mint = (collection) => (who) => who.prepare('prepareMint721', { collection, minter: who.address, quantity: 1 })
const creation = (who) => who.prepare('prepareCreateCollection', {
  chainId, standard: 'ERC721', name: `Pending ${randomUUID().slice(0, 8)}`, symbol: 'PEN', creator: who.address, mintStages: [],
})
const parts = {
  toldSpeedUp: mint(steady), untoldSpeedUp: mint(steady), cancelled: mint(steady), replaced: mint(steady), dropped: mint(steady),
  reverted: mint(fragile), steady: mint(steady), expired: mint(steady), withdrawn: mint(steady),
  created: creation, broken: creation, lost: creation,
}
const cast = {}
await Promise.all(Object.entries(parts).map(async ([name, prepare]) => {
  const who = await newcomer()
  const prepared = await prepare(who)
  assert.equal(prepared.intent.requiredConfirmations, 3)
  const transaction = prepared.steps.at(-1).transaction
  const future = prepared.intent.previewAddress && { chainId, address: prepared.intent.previewAddress }
  cast[name] = { who, prepared, transaction, future, account: who.account }
}))
const senders = Object.entries(cast).filter(([name]) => !['expired', 'withdrawn'].includes(name)).map(([, one]) => one)
const creators = [cast.created, cast.broken, cast.lost]
const is = (one, status, test = () => true) =>
  one.who.until(one.prepared, status, (intent) => intent.status === status && test(intent))
const all = (names, status) => Promise.all(names.map((name) => is(cast[name], status)))
async function timed(sentence, work) {
  const begun = Date.now()
  await work()
  ok(`${sentence} (${((Date.now() - begun) / 1000).toFixed(1)} s)`)
}
await barrier('prepared')

// ---- sent, told, seen as pending

await blocks(false)
await Promise.all(senders.map(async (one) => {
  // Too little gas for what it does: the chain takes it and reverts it.
  one.first = await sign(one, one.transaction, one === cast.broken ? { gas: 150_000n } : {})
  await push(one.first)
}))
for (const one of creators) assert.equal(await seen(one.future, one.who), undefined)
await barrier('sent')
await Promise.all(senders.map((one) => one.who.track(one.prepared, one.first.hash)))
await Promise.all(senders.map((one) => is(one, 'SUBMITTED', ({ txHash }) => txHash === one.first.hash)))
await timed('a pending collection is seen by its creator', () => Promise.all(creators.map(async (one) => {
  while ((await seen(one.future, one.who)) !== 'PENDING') await new Promise((resolve) => setTimeout(resolve, 50))
})))
for (const one of creators) {
  assert.equal(await seen(one.future, cast.steady.who), undefined, 'somebody else sees a pending collection')
  assert.equal(await seen(one.future), undefined, 'everybody sees a pending collection')
}
ok('and by nobody else')
await barrier('tracked')

// ---- the wallets and the network have their ways

const away = Date.now()
for (const one of [cast.dropped, cast.lost]) await anvil.dropTransaction({ hash: one.first.hash })
const speedUp = async (one) => {
  one.second = await sign(one, one.transaction, dearer(one.transaction))
  await push(one.second)
}
const instead = async (one, to, value) => {
  one.second = await sign(one, { ...one.transaction, to, value, data: '0x', gas: '21000' }, dearer(one.transaction))
  await push(one.second)
}
await Promise.all([
  speedUp(cast.toldSpeedUp).then(() => cast.toldSpeedUp.who.track(cast.toldSpeedUp.prepared, cast.toldSpeedUp.second.hash)),
  speedUp(cast.untoldSpeedUp),
  instead(cast.cancelled, cast.cancelled.who.address, '0'),
  instead(cast.replaced, zeroAddress, '1'),
])
const withdraw = `mutation ($id: ID!) { it: cancelIntent(id: $id) { __typename } }`
await cast.withdrawn.who.insist(withdraw, { id: cast.withdrawn.prepared.intent.id })
await is(cast.withdrawn, 'CANCELLED')
ok('an intent is withdrawn before anything was sent')
const nonce = await reader.getTransactionCount({ address: pauser.address })
await pauser.wallet.writeContract({ address: fragile.address, abi, functionName: 'pause', nonce, gas: 200_000n,
  maxFeePerGas: parseGwei('500'), maxPriorityFeePerGas: parseGwei('400') })
await barrier('replaced')

// ---- in a block, out of it, in again

const lively = ['toldSpeedUp', 'untoldSpeedUp', 'steady', 'created']
const under = (one) => one.second?.hash ?? one.first.hash
const mined = () => Promise.all(lively.map((name) => is(cast[name], 'MINED', ({ txHash }) => txHash === under(cast[name]))))
await anvil.mine({ blocks: 1 })
await timed('a block holds them, sped up or not, told or not', mined)
await barrier('mined')

const reorganise = (depth) => anvil.request({ method: 'anvil_reorg', params: [depth, []] })
const again = async () => {
  await Promise.all(senders.filter((one) => ![cast.dropped, cast.lost].includes(one)).map((one) =>
    push(one.second ?? one.first).catch((error) => assert.match(String(error), /already/))))
  await pauser.wallet.writeContract({ address: fragile.address, abi, functionName: 'pause', nonce, gas: 200_000n,
    maxFeePerGas: parseGwei('600'), maxPriorityFeePerGas: parseGwei('500') }).catch((error) => assert.match(String(error), /already|nonce/i))
}
await reorganise(1)
await timed('a reorganisation takes the block back, and they are as they were sent', () => all(lively, 'SUBMITTED'))
await barrier('reorganised')
await again()
await anvil.mine({ blocks: 1 })
await timed('and they are included again', mined)
await barrier('included again')

// ---- the ends

await anvil.mine({ blocks: 3 })
await Promise.all([
  timed('a speed-up that was told is READY under its new hash', () => is(cast.toldSpeedUp, 'READY', ({ txHash }) => txHash === cast.toldSpeedUp.second.hash)),
  timed('a speed-up that nobody told is READY under its new hash', () => is(cast.untoldSpeedUp, 'READY', ({ txHash }) => txHash === cast.untoldSpeedUp.second.hash)),
  timed('what a wallet cancelled is CANCELLED', () => is(cast.cancelled, 'CANCELLED')),
  timed('what another transaction took the place of is REPLACED', () => is(cast.replaced, 'REPLACED')),
  timed('what reverted is FAILED, and says why', () => is(cast.reverted, 'FAILED', ({ problem }) => problem?.code === 'MINT_PAUSED')),
  timed('what was reorganised away and included again is READY', () => is(cast.steady, 'READY')),
  timed('a pending collection became the indexed one', async () => {
    await is(cast.created, 'READY')
    assert.equal(await seen(cast.created.future), 'LIVE')
  }),
  timed('a pending collection is gone when its transaction reverted', async () => {
    await is(cast.broken, 'FAILED')
    while (await seen(cast.broken.future, cast.broken.who)) await new Promise((resolve) => setTimeout(resolve, 50))
  }),
  (async () => {
    await all(['dropped', 'lost'], 'DROPPED')
    while (await seen(cast.lost.future, cast.lost.who)) await new Promise((resolve) => setTimeout(resolve, 50))
    ok(`what the network forgot is DROPPED, a pending collection is gone (${((Date.now() - away) / 1000).toFixed(1)} s after it was)`)
  })(),
])
await barrier('ended')

await push(cast.dropped.first)
await cast.dropped.who.track(cast.dropped.prepared, cast.dropped.first.hash)
await anvil.mine({ blocks: 4 })
await timed('what was dropped and comes back is READY', () => is(cast.dropped, 'READY'))
await timed('what nobody sent in time is EXPIRED', () => is(cast.expired, 'EXPIRED'))
await barrier('expired')

// ---- even what was READY steps back when the chain does

const { blockNumber } = await reader.getTransactionReceipt({ hash: under(cast.steady) })
await reorganise(Number((await reader.getBlockNumber()) - blockNumber) + 1)
await timed('a deep reorganisation takes READY ones back', () => Promise.all(lively.map((name) =>
  cast[name].who.until(cast[name].prepared, 'not READY', ({ status }) => status !== 'READY' && status !== 'CONFIRMED'))))
await barrier('reorganised deeply')
await again()
await anvil.mine({ blocks: 4 })
await timed('and they are READY again', () => all(lively, 'READY'))
assert.equal(await seen(cast.created.future), 'LIVE')

await blocks(true)

// ---- a signature is taken in though the catalog is away, and stored though the one who took it in is killed

const { who } = cast.steady
const receipt = await reader.getTransactionReceipt({ hash: under(cast.steady) })
const tokenId = String(BigInt(receipt.logs[0].topics[3]))
const token = { ...steady, tokenId }
const listing = await who.prepare('prepareListing', {
  token, seller: who.address, priceRaw: '1000', expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
})
const [approval, signature] = listing.steps
const approved = await who.wallet.sendTransaction(asViem(approval.transaction))
await who.track(listing, approved, approval)
await reader.waitForTransactionReceipt({ hash: approved })
await barrier('approved, the catalog too')
await who.submit(listing, await who.account.signTypedData(signature.typedData), 'submitListing')
await is({ who, prepared: listing }, 'SUBMITTED')
await barrier('signed')
await timed('a signed listing is READY though both were away', () => is({ who, prepared: listing }, 'READY'))
process.exit(0)
