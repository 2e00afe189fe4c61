// A wallet logs in, creates an ERC-721 and an ERC-1155 collection, mints 3 and 5 tokens, and receives each event once.
// Only outside packages: siwe writes the message, viem signs and sends, graphql-ws listens.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createClient } from 'graphql-ws'
import { SiweMessage } from 'siwe'
import { createWalletClient, defineChain, getAddress, http, isHash } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import WebSocket from 'ws'

const gateway = process.env.VITRINE_GATEWAY_URL ?? 'http://127.0.0.1:8081'
const node = process.env.VITRINE_RPC_URL ?? 'http://127.0.0.1:18545'
const index = Number(process.env.VITRINE_DEMO_KEY ?? 3)
const patience = Number(process.env.VITRINE_PATIENCE_MS ?? 90_000)

const account = mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex: index })
const chain = defineChain({
  id: 31337,
  name: 'Local',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [node] } },
})
const wallet = createWalletClient({ account, chain, transport: http(node) })

let token
async function ask(query, variables = {}) {
  const answer = await fetch(`${gateway}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(30_000),
  })
  const body = await answer.json()
  assert.equal(body.errors, undefined, JSON.stringify(body.errors))
  return body.data
}

function hoped(answer, kind) {
  assert.equal(answer.__typename, kind, JSON.stringify(answer))
  return answer
}

async function signIn() {
  const { issueSiweNonce: asked } = await ask('mutation { issueSiweNonce { nonce domain uri statement } }')
  const message = new SiweMessage({
    domain: asked.domain,
    address: account.address,
    statement: asked.statement,
    uri: asked.uri,
    version: '1',
    chainId: chain.id,
    nonce: asked.nonce,
  }).prepareMessage()
  const signature = await account.signMessage({ message })
  const verify = `mutation ($message: String!, $signature: Hex!) {
    verifySiwe(input: { message: $message, signature: $signature, delivery: BEARER }) {
      __typename ... on AuthSession { accessToken session { account } } ... on SiweProblem { code message }
    }
  }`
  const session = hoped((await ask(verify, { message, signature })).verifySiwe, 'AuthSession')
  assert.equal(session.session.account, `eip155:31337:${account.address}`)
  token = session.accessToken
  // The same message a second time: its nonce is used up.
  const again = (await ask(verify, { message, signature })).verifySiwe
  assert.equal(again.code, 'NONCE_USED')
  const { viewer } = await ask('{ viewer { roles user { id wallets { account isPrimary } } } }')
  assert.deepEqual(viewer.user.wallets, [{ account: `eip155:31337:${account.address}`, isPrimary: true }])
}

/** Collects what a subscription brings, and lets one wait for a condition on all of it. */
function listen(socket, query, variables) {
  const seen = []
  let wake = () => {}
  let failure
  let done = false
  const stop = socket.subscribe(
    { query, variables },
    {
      next: (message) => {
        if (message.errors) failure = new Error(JSON.stringify(message.errors))
        else seen.push(message.data)
        wake()
      },
      error: (err) => {
        failure = err instanceof Error ? err : new Error(JSON.stringify(err))
        wake()
      },
      complete: () => {
        done = true
        wake()
      },
    },
  )
  const until = async (what, condition) => {
    const deadline = Date.now() + patience
    while (!condition(seen, done)) {
      if (failure) throw failure
      const left = deadline - Date.now()
      assert.ok(left > 0, `${what}: not in ${patience} ms; seen ${JSON.stringify(seen)}`)
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left)
        wake = () => (clearTimeout(timer), resolve())
      })
    }
  }
  return { seen, until, stop }
}

// What a viem client wraps: amounts come as decimal strings.
const big = (text) => (text == null ? undefined : BigInt(text))
async function send(step) {
  const { to, data, value, gas, maxFeePerGas, maxPriorityFeePerGas } = step.transaction
  const request = { to, data, value: big(value), gas: big(gas) }
  const fees = { maxFeePerGas: big(maxFeePerGas), maxPriorityFeePerGas: big(maxPriorityFeePerGas) }
  const hash = await wallet.sendTransaction({ ...request, ...fees })
  assert.ok(isHash(hash))
  return hash
}

const prepared = `__typename
  ... on PreparedTransaction {
    intent { id status previewAddress }
    steps { id kind simulated transaction { chainId from to data value gas maxFeePerGas maxPriorityFeePerGas } }
  }
  ... on Problem { code message }`

async function carryOut(socket, mutation, kind, input, track) {
  const query = `mutation ($input: ${kind}!) { prepared: ${mutation}(input: $input) { ${prepared} } }`
  const answer = hoped((await ask(query, { input })).prepared, 'PreparedTransaction')
  // The same key and body give the same intent and the same calldata; another body is a conflict.
  const again = hoped((await ask(query, { input })).prepared, 'PreparedTransaction')
  assert.equal(again.intent.id, answer.intent.id)
  assert.equal(again.steps[0].transaction.data, answer.steps[0].transaction.data)

  const status = listen(
    socket,
    'subscription ($id: ID!) { intentStatus(intentId: $id) { status txHash problem { message } } }',
    { id: answer.intent.id },
  )
  const txHash = await send(answer.steps[0])
  const tracked = await ask(
    `mutation ($input: TrackTxInput!) { tracked: ${track}(input: $input) { __typename ... on Problem { code message } } }`,
    { input: { intentId: answer.intent.id, stepId: answer.steps[0].id, txHash } },
  )
  hoped(tracked.tracked, 'TxIntent')
  return { answer, status, txHash }
}

async function ready({ status }) {
  await status.until('the intent is READY and its subscription ends', (seen, done) => {
    const last = seen.at(-1)?.intentStatus
    assert.ok(last?.status !== 'FAILED', last?.problem?.message)
    return done && last?.status === 'READY'
  })
  const states = status.seen.map((data) => data.intentStatus.status)
  const order = ['PREPARED', 'SUBMITTED', 'MINED', 'CONFIRMED', 'READY']
  const places = states.map((state) => order.indexOf(state))
  assert.ok(places.every((place, i) => place >= 0 && (i === 0 || place >= places[i - 1])), states.join(' '))
}

async function create(socket, standard) {
  const collections = listen(
    socket,
    'subscription { collectionUpserted(chainId: "eip155:31337") { cursor removed collection { address name standard status } } }',
  )
  const name = `Outside ${standard} ${randomUUID().slice(0, 8)}`
  const input = {
    chainId: 'eip155:31337',
    standard,
    name,
    symbol: 'OUT',
    creator: account.address.toLowerCase(),
    royaltyBps: 250,
    maxSupply: '1000',
    mintStages: [{ kind: 'PUBLIC', priceRaw: '10000000000000000' }],
    idempotencyKey: randomUUID(),
  }
  const creation = await carryOut(socket, 'prepareCreateCollection', 'PrepareCreateCollectionInput', input, 'trackCollectionTx')
  await ready(creation)
  const address = creation.answer.intent.previewAddress
  assert.equal(address, getAddress(address))
  const mine = (seen) => seen.filter((data) => data.collectionUpserted.collection.address === address)
  await collections.until('the collection is delivered', (seen) => mine(seen).length > 0)
  const delivered = mine(collections.seen)
  assert.equal(delivered[0].collectionUpserted.collection.name, name)
  assert.equal(delivered[0].collectionUpserted.collection.standard, standard)
  const cursors = delivered.map((data) => data.collectionUpserted.cursor)
  assert.equal(new Set(cursors).size, cursors.length, 'each event comes once')
  collections.stop()
  console.log(`ok   ${standard} collection ${address} created and delivered`)
  return address
}

async function mint721(socket, address) {
  const tokens = listen(
    socket,
    `subscription ($contract: Address!) {
      tokenUpserted(chainId: "eip155:31337", contract: $contract) { cursor removed token { tokenId owner supply } }
    }`,
    { contract: address },
  )
  const collection = { chainId: 'eip155:31337', address }
  const input = { collection, minter: account.address, quantity: 3, idempotencyKey: randomUUID() }
  await ready(await carryOut(socket, 'prepareMint721', 'PrepareMint721Input', input, 'trackMintTx'))
  const first = (seen) => new Map(seen.map((data) => [data.tokenUpserted.token.tokenId, data.tokenUpserted.token]))
  await tokens.until('three tokens are delivered', (seen) => first(seen).size === 3)
  assert.deepEqual([...first(tokens.seen).keys()].sort(), ['1', '2', '3'])
  for (const token of first(tokens.seen).values()) assert.equal(token.owner, account.address)
  const cursors = tokens.seen.map((data) => data.tokenUpserted.cursor)
  assert.equal(new Set(cursors).size, cursors.length, 'each event comes once')
  tokens.stop()

  const { tokens: listed } = await ask(
    `query ($by: CollectionBy!) { tokens(first: 10, filter: { collection: $by }) { nodes { tokenId owner } pageInfo { hasNextPage } } }`,
    { by: { contract: collection } },
  )
  assert.deepEqual(listed.nodes.map((node) => node.tokenId), ['1', '2', '3'])
  console.log('ok   3 ERC-721 tokens minted, delivered and listed')
  return tokens.seen[0].tokenUpserted.cursor
}

async function mint1155(socket, address) {
  const tokens = listen(
    socket,
    `subscription ($contract: Address!) {
      tokenUpserted(chainId: "eip155:31337", contract: $contract) { cursor removed token { tokenId supply standard } }
    }`,
    { contract: address },
  )
  const collection = { chainId: 'eip155:31337', address }
  const input = { collection, minter: account.address, tokenId: '7', quantity: '5', idempotencyKey: randomUUID() }
  await ready(await carryOut(socket, 'prepareMint1155', 'PrepareMint1155Input', input, 'trackMintTx'))
  await tokens.until('the token is delivered', (seen) => seen.some((data) => data.tokenUpserted.token.supply === '5'))
  const cursors = tokens.seen.map((data) => data.tokenUpserted.cursor)
  assert.equal(new Set(cursors).size, cursors.length, 'each event comes once')
  assert.ok(tokens.seen.every((data) => data.tokenUpserted.token.tokenId === '7'))
  tokens.stop()
  console.log('ok   5 of an ERC-1155 token minted and delivered')
}

/** A client that was away passes its last cursor and gets what it missed, nothing twice. */
async function resume(socket, address, cursor) {
  const tokens = listen(
    socket,
    `subscription ($contract: Address!, $after: String) {
      tokenUpserted(chainId: "eip155:31337", contract: $contract, after: $after) { cursor token { tokenId } }
    }`,
    { contract: address, after: cursor },
  )
  const numbers = (seen) => new Set(seen.map((data) => data.tokenUpserted.token.tokenId))
  await tokens.until('the two that came after the cursor', (seen) => numbers(seen).size >= 2)
  const cursors = tokens.seen.map((data) => data.tokenUpserted.cursor)
  assert.equal(new Set(cursors).size, cursors.length, 'each event comes once')
  assert.ok(!cursors.includes(cursor), 'the event of the cursor itself does not come again')
  tokens.stop()
  console.log('ok   a subscription resumed after its cursor')
}

await signIn()
console.log(`ok   signed in as ${account.address}`)
const socket = createClient({
  url: `${gateway.replace('http', 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: 5,
})
const erc721 = await create(socket, 'ERC721')
const cursor = await mint721(socket, erc721)
await resume(socket, erc721, cursor)
const erc1155 = await create(socket, 'ERC1155')
await mint1155(socket, erc1155)
await socket.dispose()
assert.equal((await ask('mutation { signOut }')).signOut, true)
console.log('ok   signed out')
