{{/* Lets cert-manager make the Secret of a server: its key, its certificate, and the authority. */}}
{{- define "tidewheel.certificate" -}}
{{- $tls := .values.tls -}}
{{- if $tls.certManager.enabled }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
spec:
  secretName: {{ .secretName }}
  dnsNames: [{{ .name }}, {{ .name }}.{{ .root.Release.Namespace }}, {{ .name }}.{{ .root.Release.Namespace }}.svc]
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  issuerRef: {name: {{ required "tls.certManager.issuer.name" $tls.certManager.issuer.name }}, kind: {{ $tls.certManager.issuer.kind }}}
{{- end }}
{{- end }}
