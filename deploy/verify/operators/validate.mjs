// Reads a JSON list of objects from standard input and writes a JSON list: what each one's operator would refuse, or null.
const packages = {
  "cert-manager.io": "cert-manager",
  "external-secrets.io": "external-secrets",
  "gateway.networking.k8s.io": "gateway-api",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
  "traefik.io": "traefik",
};

async function refused(object) {
  const group = object.apiVersion.split("/")[0];
  const place = `@kubernetes-models/${packages[group]}/${object.apiVersion}/${object.kind}`;
  const kinds = await import(place);
  try {
    new kinds[object.kind](object).validate();
    return null;
  } catch (error) {
    return error.message;
  }
}

let text = "";
for await (const part of process.stdin) text += part;
const found = [];
for (const object of JSON.parse(text)) found.push(await refused(object));
process.stdout.write(JSON.stringify(found));
