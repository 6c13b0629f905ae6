// Made-up people for the playground.

const patient = {
  resourceType: 'Patient', id: 'p1', active: true,
  identifier: [{ use: 'usual', type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] }, system: 'urn:oid:1.2.36.146.595.217.0.1', value: '12345' }],
  name: [{ use: 'official', family: 'Example', given: ['Anna', 'Maria'] }],
  telecom: [{ system: 'phone', value: '+1 555 0100', use: 'home' }, { system: 'email', value: 'anna@example.org' }],
  gender: 'female', birthDate: '1974-12-25',
  address: [{ use: 'home', line: ['22 New Road'], city: 'Springfield', state: 'IL', postalCode: '62701', country: 'US' }],
  contact: [{ relationship: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0131', code: 'N' }] }], name: { family: 'Example', given: ['Karl'] } }],
  photo: [{ title: 'not carried' }],
};

export const SAMPLES = {
  'FHIR Patient': JSON.stringify(patient, null, 2),
  'FHIR Patient with a mistake': JSON.stringify({ ...patient, birthDate: '25.12.1974', photo: undefined }, null, 2),
  'HL7 v2 ADT^A31': [
    'MSH|^~\\&|HIS|HOSPITAL|ADT-BRIDGE|FHIR|20240301093015||ADT^A31^ADT_A05|MSG-0001|T|2.5.1',
    'EVN||20240301093015',
    'PID|1||12345^^^HOSP^MR||Example^Anna^Maria^^^^L||19741225|F|||22 New Road^^Springfield^IL^62701^US^H||^PRN^PH^^1^555^0100',
    'PV1|1|N',
  ].join('\n'),
  'HL7 v2 ORU^R01': [
    'MSH|^~\\&|LAB|HOSPITAL|EHR|HOSPITAL|20240301101500||ORU^R01^ORU_R01|LAB-77|P|2.5.1',
    'PID|1||12345^^^HOSP^MR||Example^Anna',
    'OBR|1|||GLU^Glucose^L',
    'OBX|1|NM|GLU^Glucose^L||5.4|mmol/L|3.9-5.5||||F',
  ].join('\n'),
};
