import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An authority and two certificates it signed, as docs/how-to/deploy.md makes them; values of the two secrets. */
export function secrets(serverName: string): { server: string; client: string } {
  const folder = mkdtempSync(join(tmpdir(), 'adt-bridge-'));
  try {
    const openssl = (...command: string[]) => execFileSync('openssl', command, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '400', '-subj', '/CN=test authority');
    for (const [name, usage] of [['server', 'serverAuth'], ['client', 'clientAuth']]) {
      writeFileSync(join(folder, `${name}.ext`), `subjectAltName=DNS:${name === 'server' ? serverName : 'sender.internal'}\nextendedKeyUsage=${usage}\n`);
      openssl('req', ...curve, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '90', '-extfile', `${name}.ext`, '-out', `${name}.pem`);
    }
    const secret = (name: string) => JSON.stringify({ ca: read('ca.pem'), certificate: read(`${name}.pem`), key: read(`${name}.key`) });
    return { server: secret('server'), client: secret('client') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
