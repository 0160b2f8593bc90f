import { quietFetch } from '../../src/credentials/quietFetch.js';

const URL_OF = 'https://idp.example/token';
const BODY = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'r/e+f', client_secret: 's3cr3t' });

function answering(text: string, status = 400): typeof fetch {
  return quietFetch(async () => new Response(text, { status }));
}

describe('a fetch whose refusals may be told', () => {
  it.each(['no: r/e+f', 'no: r%2Fe%2Bf', 'no: s3cr3t', 'no: proof'])(
    'leaves the code of a refusal that says "%s"',
    async (words) => {
      const refusal = JSON.stringify({ error: 'invalid_grant', error_description: words });
      const answer = await answering(refusal)(URL_OF, {
        method: 'POST',
        body: BODY,
        headers: { authorization: 'Basic proof' },
      });
      expect(await answer.json()).toEqual({
        error: 'invalid_grant',
        error_description: expect.stringContaining('withheld'),
      });
    },
  );

  it('leaves nothing of a page, or a code, that repeats a secret', async () => {
    for (const text of ['<p>s3cr3t</p>', '{"error":"s3cr3t"}']) {
      const answer = await answering(text, 500)(URL_OF, { method: 'POST', body: BODY });
      expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([500, 'server_error']);
    }
  });

  it('passes what repeats none, and what was asked without a body', async () => {
    const refusal = '{"error":"invalid_grant","error_description":"expired"}';
    expect(await (await answering(refusal)(URL_OF, { method: 'POST', body: BODY })).text()).toBe(refusal);
    expect(await (await answering('s3cr3t', 200)(URL_OF)).text()).toBe('s3cr3t');
    const token = '{"access_token":"a","refresh_token":"r/e+f"}';
    expect(await (await answering(token, 200)(URL_OF, { method: 'POST', body: BODY })).text()).toBe(token);
  });

  it('quotes nothing of a success that is not JSON', async () => {
    const asking = answering('refresh_token=r/e+f', 200)(URL_OF, { method: 'POST', body: BODY });
    await expect(asking).rejects.toThrow(/^https:\/\/idp\.example\/token answered something that is not JSON$/);
  });
});
