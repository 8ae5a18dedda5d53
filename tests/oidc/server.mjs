// A certified OpenID Connect provider on loopback for the tests: signs in whom login_hint names.
// Usage: node server.mjs PORT REDIRECT_URI ALG [AGE]   (PORT 0: any). Prints its issuer when it
// listens. With AGE every log-in is said to be so many seconds old.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';
import Provider from 'oidc-provider';

const [port, redirectUri, alg, age] = process.argv.slice(2);
const kinds = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

function key(name) {
  const { privateKey } = generateKeyPairSync(...kinds[name]);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: name };
}

const server = http.createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'superapp',
        client_secret: 'a secret: of/tests',
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        id_token_signed_response_alg: alg,
      },
    ],
    jwks: { keys: alg === 'RS256' ? [key(alg)] : [key(alg), key('RS256')] },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(kinds) },
    claims: {
      openid: ['sub'],
      pid: ['pid'],
      profile: ['given_name', 'family_name'],
      email: ['email', 'email_verified'],
    },
    scopes: ['openid'],
    pkce: { required: () => true },
    cookies: { keys: ['only for tests'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        pid: id,
        given_name: 'ประชาชน',
        family_name: 'ตัวอย่าง',
        email: `${id}@example.org`,
        email_verified: true,
      }),
    }),
  });
  const answer = provider.callback();

  server.on('request', async (req, res) => {
    if (!req.url.startsWith('/interaction/')) return answer(req, res);
    const { prompt, params, session } = await provider.interactionDetails(req, res);
    if (prompt.name === 'login') {
      const ts = Math.floor(Date.now() / 1000) - Number(age || 0);
      const login = { accountId: params.login_hint, ts };
      return provider.interactionFinished(req, res, { login });
    }
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const consent = { grantId: await grant.save() };
    return provider.interactionFinished(req, res, { consent }, { mergeWithLastSubmission: true });
  });
  console.log(issuer);
});
