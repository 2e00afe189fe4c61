// The gateway's two doors, as frontends use them: GraphQL with a bearer token, and plain HTTP with cookies. Knows nothing
// of how messages are written or signed: that is what the outside packages are here for.
import assert from 'node:assert/strict'

export const gateway = process.env.VITRINE_GATEWAY_URL ?? 'http://127.0.0.1:8081'
export const node = process.env.VITRINE_RPC_URL ?? 'http://127.0.0.1:18545'
export const CHAIN = 31337

const NONCE = 'mutation { issueSiweNonce { nonce domain uri statement } }'
const SESSION = `__typename
  ... on AuthSession { accessToken refreshToken user { id } session { id account } }
  ... on Problem { code message }`
const VERIFY = `mutation ($input: VerifySiweInput!) { opened: verifySiwe(input: $input) { ${SESSION} } }`
const REFRESH = `mutation ($token: String) { opened: refreshSession(refreshToken: $token) { ${SESSION} } }`

/** Somebody who keeps tokens and sends them along. */
export class Bearer {
  constructor(agent = 'outside-client/1.0') {
    this.agent = agent
  }

  async ask(query, variables = {}) {
    const answer = await fetch(`${gateway}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        'user-agent': this.agent,
        ...(this.accessToken ? { authorization: `Bearer ${this.accessToken}` } : {}),
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(30_000),
    })
    const body = await answer.json()
    assert.equal(body.errors, undefined, JSON.stringify(body.errors))
    return body.data
  }

  async nonce() {
    return (await this.ask(NONCE)).issueSiweNonce
  }

  /** What the API says to a signed message: a session or a problem. */
  async verify(message, signature) {
    const { opened } = await this.ask(VERIFY, { input: { message, signature, delivery: 'BEARER' } })
    return this.keep(opened)
  }

  async refresh(token = this.refreshToken) {
    return this.keep((await this.ask(REFRESH, { token })).opened)
  }

  keep(opened) {
    if (opened.__typename === 'AuthSession') {
      this.accessToken = opened.accessToken
      this.refreshToken = opened.refreshToken
    }
    return opened
  }

  async viewer() {
    const { viewer } = await this.ask('{ viewer { user { id wallets { account isPrimary } } session { id account } } }')
    return viewer
  }

  async signOut() {
    return (await this.ask('mutation { signOut }')).signOut
  }
}

/** A page in a browser: it sees no token, the browser keeps cookies and says where the page came from. */
export class Page {
  cookies = new Map()
  set = []

  async go(method, path, body, accept = 'application/json') {
    const answer = await fetch(`${gateway}${path}`, {
      method,
      headers: {
        'user-agent': 'Mozilla/5.0 (outside page)',
        accept,
        origin: process.env.VITRINE_PUBLIC_URL ?? gateway,
        'sec-fetch-site': 'same-origin',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.cookies.size ? { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    })
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split('; ')
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      this.set.push({ name, attributes })
      if (attributes.includes('Max-Age=0')) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.includes('json')
    return { status: answer.status, body: isJson ? JSON.parse(text) : text }
  }

  /** Every cookie that was ever set is one that only this host gets back, and that no script reads. */
  checkCookies() {
    assert.ok(this.set.length > 0, 'no cookie was set')
    for (const { name, attributes } of this.set) {
      assert.match(name, /^__Host-vitrine_/)
      for (const due of ['Path=/', 'Secure', 'HttpOnly']) assert.ok(attributes.includes(due), `${name} lacks ${due}`)
      assert.ok(attributes.some((attribute) => /^SameSite=(Strict|Lax)$/.test(attribute)), `${name} lacks SameSite`)
      assert.ok(!attributes.some((attribute) => attribute.startsWith('Domain')), `${name} has a domain`)
    }
  }
}

/** A whole stay with a bearer token; `write` and `sign` are the outside packages. */
export async function stayAsBearer(address, write, sign) {
  const bearer = new Bearer()
  const message = await write(await bearer.nonce())
  const signature = await sign(message)
  const opened = await bearer.verify(message, signature)
  assert.equal(opened.__typename, 'AuthSession', JSON.stringify(opened))
  assert.equal(opened.session.account, `eip155:${CHAIN}:${address}`)
  assert.equal((await new Bearer().verify(message, signature)).code, 'NONCE_USED')
  const viewer = await bearer.viewer()
  assert.equal(viewer.session.id, opened.session.id)
  assert.ok(viewer.user.wallets.some((wallet) => wallet.account === `eip155:${CHAIN}:${address}`))

  const before = bearer.refreshToken
  const refreshed = await bearer.refresh()
  assert.equal(refreshed.session?.id, opened.session.id, JSON.stringify(refreshed))
  assert.notEqual(bearer.refreshToken, before)
  assert.equal((await bearer.viewer()).session.id, opened.session.id)

  assert.equal(await bearer.signOut(), true)
  const gone = await new Bearer().refresh(bearer.refreshToken)
  assert.equal(gone.code, 'REFRESH_EXPIRED', JSON.stringify(gone))
  return viewer.user.id
}

/** The same as a page, over the plain HTTP twins. */
export async function stayAsPage(address, write, sign) {
  const page = new Page()
  assert.equal((await page.go('GET', '/auth/session')).status, 401)
  // Libraries that never thought about it take the nonce as it comes, as text.
  assert.match((await page.go('GET', '/auth/nonce', undefined, '*/*')).body, /^[0-9A-Za-z]{22,}$/)
  const asked = await page.go('GET', '/auth/nonce')
  assert.equal(asked.status, 200, JSON.stringify(asked))
  const message = await write(asked.body)
  const signature = await sign(message)

  const opened = await page.go('POST', '/auth/verify', { message, signature })
  assert.equal(opened.status, 200, JSON.stringify(opened))
  const session = await page.go('GET', '/auth/session')
  assert.equal(session.status, 200, JSON.stringify(session))
  assert.ok(JSON.stringify(session.body).includes(address), JSON.stringify(session.body))
  const before = new Map(page.cookies)
  const refreshed = await page.go('POST', '/auth/refresh')
  assert.equal(refreshed.status, 200, JSON.stringify(refreshed))
  assert.notDeepEqual(page.cookies, before)
  assert.equal((await page.go('GET', '/auth/session')).status, 200)
  assert.ok([200, 204].includes((await page.go('POST', '/auth/logout')).status))
  assert.equal((await page.go('GET', '/auth/session')).status, 401)
  // The nonce that was taken as text was never signed: its cookie waits for its end, and is of no session.
  const left = [...page.cookies.keys()].filter((name) => !/^__Host-vitrine_pre_[0-9A-Za-z]{8}$/.test(name))
  assert.deepEqual(left, [])
  assert.equal(page.cookies.size, 1, 'the cookie of the nonce that was signed is gone')
  page.checkCookies()

  // The message of another browser: its nonce is bound to a cookie that this one has not.
  const victim = new Page()
  const lent = await write((await victim.go('GET', '/auth/nonce')).body)
  const thief = new Page()
  await thief.go('GET', '/auth/nonce')
  const relayed = await thief.go('POST', '/auth/verify', { message: lent, signature: await sign(lent) })
  assert.ok(relayed.status >= 400 && relayed.status < 500, JSON.stringify(relayed))
  assert.equal(relayed.body.code, 'NONCE_UNKNOWN', JSON.stringify(relayed.body))
}
