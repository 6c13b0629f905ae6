import { Duration, Stack } from 'aws-cdk-lib';
import {
  AccessLogFormat, AuthorizationType, CfnMethod, ConnectionType, EndpointType, HttpIntegration, JsonSchemaType,
  LogGroupLogDestination, MethodLoggingLevel, RequestValidator, ResponseType, RestApi, type Model, type Resource,
} from 'aws-cdk-lib/aws-apigateway';
import { CfnVpcLink } from 'aws-cdk-lib/aws-apigatewayv2';
import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, ArnPrincipal, Effect, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import type { HookService } from './hook-service.ts';
import { logGroup } from './log-group.ts';
import type { Parameters } from './parameters.ts';
import { taskSubnets } from './subnets.ts';

/** As in the original: it ends the URL that FHIR Works on AWS gets. */
export const STAGE_NAME = 'prod';

/** The persistence API of FHIR Works on AWS, open to one role, down a VPC link to the hook. */
export class HookApi extends Construct {
  readonly api: RestApi;

  constructor(scope: Construct, id: string, parameters: Parameters, vpc: IVpc, key: IKey, private readonly hook: HookService) {
    super(scope, id);
    const access = logGroup(this, 'AccessLogs', key);
    this.api = new RestApi(this, 'Api', {
      restApiName: 'fhir-to-hl7v2-api',
      description: 'FHIR to HL7 v2: Patients in, ADT messages out',
      endpointTypes: [EndpointType.REGIONAL],
      policy: onlyFor(parameters.resourceRouterLambdaRole),
      cloudWatchRole: true,
      deployOptions: {
        stageName: STAGE_NAME,
        accessLogDestination: new LogGroupLogDestination(access),
        // No body, and no path: a path names the patient. `resourcePath` is the pattern.
        accessLogFormat: AccessLogFormat.custom(JSON.stringify({
          requestId: '$context.requestId',
          time: '$context.requestTimeEpoch',
          caller: '$context.identity.userArn',
          method: '$context.httpMethod',
          route: '$context.resourcePath',
          status: '$context.status',
          integrationStatus: '$context.integration.status',
          latencyMs: '$context.responseLatency',
          responseBytes: '$context.responseLength',
          error: '$context.error.responseType',
        })),
        loggingLevel: MethodLoggingLevel.ERROR,
        // The trace of a request holds its body.
        dataTraceEnabled: false,
        metricsEnabled: true,
        // Far above one FHIR server, far below what an account may do.
        throttlingRateLimit: 500,
        throttlingBurstLimit: 250,
      },
    });
    this.link(vpc);
    for (const [name, type] of Object.entries({ Body: ResponseType.BAD_REQUEST_BODY, Parameters: ResponseType.BAD_REQUEST_PARAMETERS })) {
      // In the shape that the router of FHIR Works on AWS reads.
      this.api.addGatewayResponse(`BadRequest${name}`, {
        type, templates: { 'application/json': '{"resource":{},"message":$context.error.messageString}' },
      });
    }
    this.reasons();
  }

  private link(vpc: IVpc): void {
    const { hook, api } = this;
    const link = new CfnVpcLink(this, 'Link', {
      name: `${Stack.of(this).stackName}-hook`,
      subnetIds: vpc.selectSubnets(taskSubnets(vpc)).subnetIds,
      securityGroupIds: [hook.callers.securityGroupId],
    });
    const validator = new RequestValidator(this, 'Validator', {
      restApi: api, requestValidatorName: 'parameters-and-body', validateRequestBody: true, validateRequestParameters: true,
    });
    const resource: Model = api.addModel('FhirResource', {
      contentType: 'application/fhir+json',
      modelName: 'FhirResource',
      schema: { type: JsonSchemaType.OBJECT, required: ['resourceType'], properties: { resourceType: { type: JsonSchemaType.STRING } } },
    });
    const body = { 'application/fhir+json': resource, 'application/json': resource };
    const type = api.root.addResource('persistence').addResource('{resource_type}');
    const one = type.addResource('{id}');
    const add = (at: Resource, method: string, path: string[], requestModels?: Record<string, Model>) => {
      const names = path.filter((part) => part.startsWith('{')).map((part) => part.slice(1, -1));
      const added = at.addMethod(method, this.integration(method, path, names), {
        authorizationType: AuthorizationType.IAM,
        requestValidator: validator,
        requestParameters: Object.fromEntries(names.map((name) => [`method.request.path.${name}`, true])),
        requestModels,
      });
      // VPC links of the second kind reach the load balancer itself; the L2 construct knows the first kind only.
      const cfn = added.node.defaultChild as CfnMethod;
      cfn.addPropertyOverride('Integration.ConnectionType', 'VPC_LINK');
      cfn.addPropertyOverride('Integration.ConnectionId', link.attrVpcLinkId);
      cfn.addPropertyOverride('Integration.IntegrationTarget', hook.balancer.loadBalancerArn);
    };
    add(type, 'POST', ['persistence', '{resource_type}'], body);
    add(one, 'GET', ['persistence', '{resource_type}', '{id}']);
    add(one, 'PUT', ['persistence', '{resource_type}', '{id}'], body);
    add(one, 'DELETE', ['persistence', '{resource_type}', '{id}']);
  }

  private integration(httpMethod: string, path: string[], names: string[]): HttpIntegration {
    return new HttpIntegration(`${this.hook.origin}/${path.join('/')}`, {
      httpMethod,
      proxy: true,
      options: {
        connectionType: ConnectionType.INTERNET,
        timeout: Duration.seconds(29),
        requestParameters: Object.fromEntries(names.map((name) => [`integration.request.path.${name}`, `method.request.path.${name}`])),
      },
    });
  }

  private reasons(): void {
    const { api } = this;
    acknowledge(api, ['AwsSolutions-COG4'],
      'Callers are a Lambda role of FHIR Works on AWS and sign with IAM; there are no users for Cognito to know.');
    acknowledge(api, ['AwsSolutions-APIG3'],
      'One role may call, everything else is denied before a rule of a firewall could look at it.');
    acknowledge(api, ['HIPAA.Security-APIGWCacheEnabledAndEncrypted'],
      'Answers are patients. They are not cached: the store is the one place that has them.');
    acknowledge(api, ['HIPAA.Security-APIGWSSLEnabled'],
      'A client certificate of API Gateway would end at the load balancer; its security group lets in the VPC link alone.');
    acknowledge(api, ['HIPAA.Security-APIGWXrayEnabled'],
      'A trace holds the request path, and a path names the patient. The hook logs the traceparent instead.');
    acknowledge(api, ['AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]'],
      'The policy that AWS maintains for the one account setting through which API Gateway may log.');
  }
}

/** Allows the role and denies everybody else, those included whose own policy would let them in. */
function onlyFor(role: string | undefined): PolicyDocument {
  const everything = { actions: ['execute-api:Invoke'], resources: ['execute-api:/*/*/*'] };
  const deny = (conditions?: Record<string, Record<string, string>>) =>
    new PolicyStatement({ ...everything, effect: Effect.DENY, principals: [new AnyPrincipal()], conditions });
  if (role === undefined) return new PolicyDocument({ statements: [deny()] });
  return new PolicyDocument({
    statements: [
      new PolicyStatement({ ...everything, principals: [new ArnPrincipal(role)] }),
      deny({ ArnNotEquals: { 'aws:PrincipalArn': role } }),
    ],
  });
}
