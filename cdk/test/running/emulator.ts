/** The few calls of AWS that the test makes, to an emulator on this machine, by their wire protocols. */

const ENDPOINT = required('AWS_ENDPOINT_URL');

export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set; scripts/cdk.sh sets it`);
  return value;
}

function headers(service: string, more: Record<string, string>): Record<string, string> {
  const scope = `test/20260101/us-east-1/${service}/aws4_request`;
  return { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`, ...more };
}

async function text(response: Response, what: string): Promise<string> {
  const body = await response.text();
  if (!response.ok) throw new Error(`${what}: ${response.status} ${body.slice(0, 500)}`);
  return body;
}

/** The JSON protocol, such as `AmazonSQS.GetQueueAttributes`. */
export async function json(service: string, target: string, input: object): Promise<any> {
  const type = service === 'sqs' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1';
  const response = await fetch(ENDPOINT, {
    method: 'POST', body: JSON.stringify(input), headers: headers(service, { 'x-amz-target': target, 'content-type': type }),
  });
  const body = await text(response, target);
  return body === '' ? {} : JSON.parse(body);
}

async function cloudFormation(input: Record<string, string>): Promise<string> {
  const response = await fetch(ENDPOINT, {
    method: 'POST', body: new URLSearchParams({ Version: '2010-05-15', ...input }),
    headers: headers('cloudformation', { 'content-type': 'application/x-www-form-urlencoded' }),
  });
  return text(response, `CloudFormation ${input['Action']}`);
}

/** Creates a stack and gives the physical name of each resource. */
export async function createStack(name: string, template: object): Promise<Map<string, string>> {
  await cloudFormation({ Action: 'CreateStack', StackName: name, TemplateBody: JSON.stringify(template) });
  const deadline = Date.now() + 30_000;
  for (;;) {
    const status = tag(await cloudFormation({ Action: 'DescribeStacks', StackName: name }), 'StackStatus');
    if (status === 'CREATE_COMPLETE') break;
    if (!status?.endsWith('_IN_PROGRESS') || Date.now() > deadline) {
      throw new Error(`stack ${name}: ${status}\n${await cloudFormation({ Action: 'DescribeStackEvents', StackName: name })}`);
    }
    await new Promise((next) => setTimeout(next, 50));
  }
  const listed = await cloudFormation({ Action: 'DescribeStackResources', StackName: name });
  const members = listed.match(/<member>[^]*?<\/member>/g) ?? [];
  return new Map(members.map((one) => [tag(one, 'LogicalResourceId')!, tag(one, 'PhysicalResourceId')!]));
}

function tag(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
}

/** An object of a bucket; `undefined` when there is none. */
export async function object(bucket: string, key: string): Promise<string | undefined> {
  const response = await fetch(`${ENDPOINT}/${bucket}/${key}`, { headers: headers('s3', {}) });
  return response.status === 404 ? undefined : text(response, `object of ${bucket}`);
}

export async function s3(bucket: string, query: string): Promise<string> {
  return text(await fetch(`${ENDPOINT}/${bucket}?${query}`, { headers: headers('s3', {}) }), `${bucket}?${query}`);
}
