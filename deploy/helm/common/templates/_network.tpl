{{/* Nothing is allowed but what stands here: the links of the architecture, each with its one port. */}}
{{- define "tidewheel.network" -}}
{{- if .values.networkPolicy.enabled }}
{{- $policy := .values.networkPolicy }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "tidewheel.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $policy.monitoringNamespace }}}}
        - podSelector: {matchLabels: {app.kubernetes.io/name: {{ .facts.component }}-test}}
        {{- with $policy.clients }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports: [{port: {{ .facts.port.number }}, protocol: TCP}]
  egress:
    {{- include "tidewheel.network.dns" . | nindent 4 }}
    {{- include "tidewheel.network.database" . | nindent 4 }}
    - to:
        {{- if $policy.redis.to }}
        {{- toYaml $policy.redis.to | nindent 8 }}
        {{- else }}
        - podSelector: {matchLabels: {app.kubernetes.io/name: redis, app.kubernetes.io/part-of: tidewheel}}
        {{- end }}
      ports: [{port: {{ $policy.redis.port }}, protocol: TCP}]
    {{- if .values.otlpEndpoint }}
    - to:
        {{- if $policy.otlp.to }}
        {{- toYaml $policy.otlp.to | nindent 8 }}
        {{- else }}
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $policy.monitoringNamespace }}}}
        {{- end }}
      ports: [{port: {{ $policy.otlp.port }}, protocol: TCP}]
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{- define "tidewheel.network.dns" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}

{{- define "tidewheel.network.database" -}}
- to: {{- toYaml .values.networkPolicy.database.to | nindent 4 }}
  ports: [{port: {{ .values.networkPolicy.database.port }}, protocol: TCP}]
{{- end }}
