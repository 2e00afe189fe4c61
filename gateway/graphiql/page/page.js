// One tab for each thing that a newcomer wants to try.
const tabs = [
  {
    query: `# The chains, and how far each is read.
query Chains {
  chains {
    chainId
    name
    indexStatus { headBlock indexedBlock lagBlocks isLive }
  }
}`,
  },
  {
    query: `# Collections with their first tokens.
query Collections {
  collections(first: 5) {
    nodes {
      name
      address
      standard
      totalSupply
      tokens(first: 3) { nodes { tokenId owner metadataStatus } }
    }
    pageInfo { hasNextPage endCursor }
  }
}`,
  },
  {
    query: `# Sign in, first step: a nonce. Then sign the message with a wallet and call verifySiwe;
# put the access token into the header below: { "authorization": "Bearer …" }.
mutation Nonce {
  issueSiweNonce { nonce domain uri statement chainIds expiresAt }
}`,
  },
  {
    query: `# Prepare a mint: what a wallet signs. Wants an access token.
mutation Mint($collection: ContractRef!, $minter: Address!) {
  prepareMint721(input: { collection: $collection, minter: $minter, quantity: 1, idempotencyKey: "try-1" }) {
    __typename
    ... on PreparedTransaction {
      intent { id status }
      steps { title transaction { to data value gas } }
    }
    ... on Problem { code message }
  }
}`,
    variables: '{\n  "collection": { "chainId": "eip155:31337", "address": "0x…" },\n  "minter": "0x…"\n}',
  },
  {
    query: `# List a token: an approval where one is missing, then an order to sign. Wants an access token.
# Send the transactions and tell their hashes by trackTx; sign the typed data (viem's signTypedData, or
# eth_signTypedData_v4) and pass the signature to submitListing(input: { intentId, signature }).
mutation List($token: TokenRef!, $seller: Address!, $until: DateTime!) {
  prepareListing(
    input: { token: $token, seller: $seller, priceRaw: "100000000000000000", expiresAt: $until, idempotencyKey: "try-1" }
  ) {
    __typename
    ... on PreparedTransaction {
      intent { id status }
      steps { kind title transaction { to data value gas } typedData }
    }
    ... on Problem { code message }
  }
}`,
    variables:
      '{\n  "token": { "chainId": "eip155:31337", "address": "0x…", "tokenId": "1" },\n  "seller": "0x…",\n  "until": "2030-01-01T00:00:00Z"\n}',
  },
  {
    query: `# What is for sale now.
query Listings {
  orders(side: LISTING, first: 5) {
    nodes { id tokenId maker expiresAt price { decimal currency { symbol } } collection { name } }
  }
}`,
  },
  {
    query: `# Buy a listing: what a wallet signs. Wants an access token.
mutation Buy($order: ID!, $buyer: Address!) {
  prepareBuy(input: { orderId: $order, buyer: $buyer, idempotencyKey: "try-1" }) {
    __typename
    ... on PreparedTransaction {
      intent { id status }
      steps { title transaction { to data value gas } }
    }
    ... on Problem { code message }
    ... on TxWillFailProblem { revertReason revertData }
  }
}`,
    variables: '{\n  "order": "…",\n  "buyer": "0x…"\n}',
  },
  {
    query: `# Tokens as they are minted: run it, then \`cargo xtask demo mint --count 5\`.
subscription Tokens {
  tokenUpserted(chainId: "eip155:31337") {
    cursor
    removed
    token { address tokenId owner }
  }
}`,
  },
]

const socketUrl = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`

function fetcher(params, options) {
  const authorization = options?.headers?.authorization ?? options?.headers?.Authorization
  const wsClient = graphqlWs.createClient({
    url: socketUrl,
    lazy: true,
    connectionParams: authorization ? { authorization } : {},
  })
  return GraphiQL.createFetcher({ url: '/graphql', wsClient })(params, options)
}

ReactDOM.createRoot(document.getElementById('graphiql')).render(
  React.createElement(GraphiQL, { fetcher, defaultTabs: tabs, shouldPersistHeaders: false }),
)
