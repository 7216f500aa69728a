{{/* Who the pods are, and where their secrets come from. */}}
{{- define "tidewheel.access" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
  {{- with .values.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- if .values.secret.external.enabled }}
{{ include "tidewheel.external" (merge (dict "secretName" (include "tidewheel.secret" .)) .) }}
{{- end }}
{{- end }}

{{- define "tidewheel.external" -}}
{{- $external := .values.secret.external -}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {{ .secretName }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  refreshInterval: {{ $external.refreshInterval }}
  secretStoreRef: {name: {{ required "secret.external.store.name: which store has the secrets?" $external.store.name }}, kind: {{ $external.store.kind }}}
  target: {name: {{ .secretName }}, creationPolicy: Owner}
  dataFrom:
    - extract: {key: {{ required "secret.external.remoteKey: which entry of the store has them?" $external.remoteKey | quote }}}
{{- end }}
