// Somebody with a wallet, as a frontend serves them: signs in, has things prepared, signs and sends them, tells the hash,
// and follows the intent to its end. Only outside packages; the prepared transaction goes into viem as it comes.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createClient } from 'graphql-ws'
import { createPublicClient, createTestClient, createWalletClient, defineChain, http, parseEther } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'
import WebSocket from 'ws'
import { Bearer, CHAIN, gateway, node } from './door.mjs'

export const chainId = `eip155:${CHAIN}`
export const patience = Number(process.env.VITRINE_PATIENCE_MS ?? 45_000)
export const chain = defineChain({
  id: CHAIN,
  name: 'Local',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [node] } },
})
export const reader = createPublicClient({ chain, transport: http(node), pollingInterval: 50, cacheTime: 0 })
export const anvil = createTestClient({ chain, transport: http(node), mode: 'anvil' })
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// What a viem client wraps: amounts come as decimal strings.
const big = (text) => (text == null ? undefined : BigInt(text))
export const asViem = ({ to, data, value, gas, maxFeePerGas, maxPriorityFeePerGas }) => {
  const fees = { maxFeePerGas: big(maxFeePerGas), maxPriorityFeePerGas: big(maxPriorityFeePerGas) }
  return { to, data, value: big(value), gas: big(gas), ...fees }
}

const STEPS = 'steps { id kind title simulated transaction { chainId from to data value gas maxFeePerGas maxPriorityFeePerGas } typedData }'
const INTENT = 'id kind status previewAddress txHash confirmations requiredConfirmations deadlineAt problem { code message }'
const PREPARED = `__typename ... on PreparedTransaction { intent { ${INTENT} } ${STEPS} } ... on Problem { code message }`
const ORDER = ['PREPARED', 'SUBMITTED', 'MINED', 'CONFIRMED', 'READY']

/** Everything from a fresh key to an open session; `wei` is what the wallet holds. */
export async function newcomer(wei = parseEther('100')) {
  const account = privateKeyToAccount(generatePrivateKey())
  await anvil.setBalance({ address: account.address, value: wei })
  return signIn(account.address, (message) => account.signMessage({ message }), account)
}

/** Signs in as an account, whoever signs for it; `account` is the key that sends, where it has one of its own. */
export async function signIn(address, sign, account) {
  const person = new Person(address, account)
  // Of so many at once a busy machine turns some away: they come again, with a new message.
  const opened = await patiently(async () => {
    const { domain, uri, statement, nonce } = await person.door.nonce()
    const message = createSiweMessage({ address, chainId: CHAIN, domain, nonce, statement, uri, version: '1' })
    return person.door.verify(message, await sign(message))
  })
  assert.equal(opened.__typename, 'AuthSession', JSON.stringify(opened))
  return person
}

/** The same again while somebody is not there to answer: what is asked so may be asked twice. */
async function patiently(work) {
  const deadline = Date.now() + patience
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() > deadline || !/UNAVAILABLE|DEADLINE_EXCEEDED|fetch failed|TimeoutError/.test(String(error))) throw error
      await pause(100)
    }
  }
}

export class Person {
  constructor(address, account) {
    this.address = address
    this.door = new Bearer()
    this.account = account
    if (account) this.wallet = createWalletClient({ account, chain, transport: http(node) })
  }

  ask(query, variables) {
    return this.door.ask(query, variables)
  }

  insist(query, variables) {
    return patiently(() => this.ask(query, variables))
  }

  /** What the API makes of an input: steps to sign, or a problem. */
  async tryTo(mutation, input) {
    const type = mutation.startsWith('prepareCancel') ? 'PrepareCancelOrderInput' : `${mutation[0].toUpperCase()}${mutation.slice(1)}Input`
    const query = `mutation ($input: ${type}!) { it: ${mutation}(input: $input) { ${PREPARED} } }`
    return (await this.insist(query, { input: { idempotencyKey: randomUUID(), ...input } })).it
  }

  async prepare(mutation, input) {
    const prepared = await this.tryTo(mutation, input)
    assert.equal(prepared.__typename, 'PreparedTransaction', `${mutation}: ${JSON.stringify(prepared)}`)
    for (const { transaction } of prepared.steps.filter((step) => step.transaction)) {
      assert.equal(transaction.chainId, CHAIN)
      assert.equal(transaction.from, this.address)
    }
    return prepared
  }

  /** The API says no, with this code, before anything was signed. */
  async refused(mutation, input, code) {
    const sent = await reader.getTransactionCount({ address: this.address })
    const answer = await this.tryTo(mutation, input)
    assert.equal(answer.code, code, `${mutation}: ${JSON.stringify(answer)}`)
    assert.ok(answer.message.length > 0)
    assert.equal(await reader.getTransactionCount({ address: this.address }), sent)
    return answer
  }

  /** Tells which transaction carries a step. */
  async track(prepared, txHash, step) {
    const it = await this.tryToTrack(prepared, txHash, step)
    assert.equal(it.__typename, 'TxIntent', JSON.stringify(it))
    return it
  }

  async tryToTrack(prepared, txHash, step = prepared.steps.at(-1)) {
    const query = `mutation ($input: TrackTxInput!) {
      it: ${TRACKS[prepared.intent.kind] ?? 'trackTx'}(input: $input) { __typename ... on TxIntent { id status } ... on Problem { code message } }
    }`
    return (await this.insist(query, { input: { intentId: prepared.intent.id, stepId: step.id, txHash } })).it
  }

  async intent(prepared) {
    const query = `query ($id: ID!) { intent(id: $id) { ${INTENT} } }`
    return (await this.insist(query, { id: prepared.intent.id })).intent
  }

  /** Waits until an intent is so; says what it is then. */
  async until(prepared, what, condition) {
    const deadline = Date.now() + patience
    for (;;) {
      const intent = await this.intent(prepared)
      if (condition(intent)) return intent
      assert.ok(Date.now() < deadline, `${what}: not in ${patience} ms, the intent is ${JSON.stringify(intent)}`)
      await pause(100)
    }
  }

  /** Signs and sends every step in its order, and follows the intent over a socket until it is READY. */
  async carryOut(prepared, submit) {
    const followed = this.follow(prepared)
    for (const step of prepared.steps) {
      if (step.transaction) {
        const hash = await this.wallet.sendTransaction(asViem(step.transaction))
        await this.track(prepared, hash, step)
        // The next one is only right on top of this one.
        const receipt = await reader.waitForTransactionReceipt({ hash, timeout: patience })
        assert.equal(receipt.status, 'success', step.title)
      } else {
        await this.submit(prepared, await this.account.signTypedData(step.typedData), submit)
      }
    }
    return followed
  }

  async submit(prepared, signature, mutation) {
    const query = `mutation ($input: SubmitOrderInput!) {
      it: ${mutation}(input: $input) { __typename ... on TxIntent { id status } ... on Problem { code message } }
    }`
    const { it } = await this.insist(query, { input: { intentId: prepared.intent.id, signature } })
    assert.equal(it.__typename, 'TxIntent', JSON.stringify(it))
  }

  /** Resolves with the READY intent once its subscription has ended; no step back may be seen on the way. */
  follow(prepared) {
    const query = `subscription ($id: ID!) { intentStatus(intentId: $id) { ${INTENT} } }`
    const seen = []
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${prepared.intent.kind}: ${why}; seen ${JSON.stringify(seen)}`))
      const timer = setTimeout(() => fail(`not READY in ${patience} ms`), patience)
      this.socket().subscribe({ query, variables: { id: prepared.intent.id } }, {
        next: ({ data, errors }) => (errors ? fail(JSON.stringify(errors)) : seen.push(data.intentStatus)),
        error: (error) => fail(error instanceof Error ? error.stack : JSON.stringify(error)),
        complete: () => {
          clearTimeout(timer)
          const places = seen.map(({ status }) => ORDER.indexOf(status))
          if (places.some((place, i) => place < 0 || place < places[i - 1])) return fail('out of order')
          if (seen.at(-1)?.status !== 'READY') return fail('it ended without READY')
          resolve(seen.at(-1))
        },
      })
    })
  }

  socket() {
    this.client ??= createClient({
      url: `${gateway.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${this.door.accessToken}` },
      retryAttempts: 5,
    })
    return this.client
  }

  /** The whole of it: from the input to READY. */
  async manage(mutation, input, submit) {
    const prepared = await this.prepare(mutation, input)
    const ready = await this.carryOut(prepared, submit)
    return { prepared, ready }
  }

  /** A collection of one's own, catalogued; `stages` as the API takes them. */
  async create(standard, stages, rest = {}) {
    const input = { chainId, standard, name: `Story ${randomUUID().slice(0, 8)}`, symbol: 'STO', creator: this.address, mintStages: stages, ...rest }
    const { prepared } = await this.manage('prepareCreateCollection', input)
    return { chainId, address: prepared.intent.previewAddress }
  }

  /** A call of one's own, past the API. */
  async call(address, abi, functionName, args, value) {
    const hash = await this.wallet.writeContract({ address, abi, functionName, args, value })
    const receipt = await reader.waitForTransactionReceipt({ hash, timeout: patience })
    assert.equal(receipt.status, 'success', functionName)
    return receipt
  }

  /** The id of the order that an intent was about. */
  async orderOf({ intent }) {
    const { intent: found } = await this.ask('query ($id: ID!) { intent(id: $id) { order { id } } }', { id: intent.id })
    assert.ok(found.order?.id, JSON.stringify(found))
    return found.order.id
  }

  async leave() {
    await this.client?.dispose()
  }
}

const TRACKS = { CREATE_COLLECTION: 'trackCollectionTx', MINT_721: 'trackMintTx', MINT_1155: 'trackMintTx' }

/** What everybody may know of a collection; nobody signed in where `person` is absent. */
export async function seen(collection, person) {
  const query = 'query ($by: CollectionBy!) { collection(by: $by) { address status name } }'
  const by = { contract: collection }
  const { collection: found } = person ? await person.insist(query, { by }) : await new Bearer().ask(query, { by })
  return found?.status
}

/** Says how a step of the story went, for whoever counts. */
export const ok = (sentence) => console.log(`ok   ${sentence}`)
