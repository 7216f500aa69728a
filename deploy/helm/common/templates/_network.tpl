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
        {{- if .facts.metrics }}
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $policy.monitoringNamespace }}}}
        {{- end }}
        {{- range $caller := append (.facts.callers | default list) "test" }}
        - podSelector: {matchLabels: {app.kubernetes.io/name: {{ $.facts.component }}-{{ $caller }}}}
        {{- end }}
        {{- with $policy.clients }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports: [{port: {{ .facts.port.number }}, protocol: TCP}]
  {{- $links := include "tidewheel.network.links" . | fromYamlArray }}
  egress: {{- toYaml $links | nindent 4 }}
{{- end }}
{{- end }}

{{- define "tidewheel.network.links" -}}
{{- $policy := .values.networkPolicy }}
{{- if or .facts.reaches .values.otlpEndpoint $policy.extraEgress }}
{{- include "tidewheel.network.dns" . }}
{{- range $reached := .facts.reaches }}
{{- include (printf "tidewheel.network.%s" $reached) $ }}
{{- end }}
{{- if .values.otlpEndpoint }}
- to:
    {{- if $policy.otlp.to }}
    {{- toYaml $policy.otlp.to | nindent 4 }}
    {{- else }}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $policy.monitoringNamespace }}}}
    {{- end }}
  ports: [{port: {{ $policy.otlp.port }}, protocol: TCP}]
{{- end }}
{{- with $policy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- else }}
[]
{{- end }}
{{- end }}

{{- define "tidewheel.network.dns" }}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end }}

{{- define "tidewheel.network.database" }}
- to: {{- toYaml .values.networkPolicy.database.to | nindent 4 }}
  ports: [{port: {{ .values.networkPolicy.database.port }}, protocol: TCP}]
{{- end }}

{{- define "tidewheel.network.redis" }}
{{- include "tidewheel.network.ours" (dict "component" "redis" "peers" .values.networkPolicy.redis) }}
{{- end }}

{{- define "tidewheel.network.gateway" }}
{{- include "tidewheel.network.ours" (dict "component" "gateway" "peers" .values.networkPolicy.gateway) }}
{{- end }}

{{/* To pods of Tidewheel, unless the values say where else they are. */}}
{{- define "tidewheel.network.ours" }}
- to:
    {{- if .peers.to }}
    {{- toYaml .peers.to | nindent 4 }}
    {{- else }}
    - podSelector: {matchLabels: {app.kubernetes.io/name: {{ .component }}, app.kubernetes.io/part-of: tidewheel}}
    {{- end }}
  ports: [{port: {{ .peers.port }}, protocol: TCP}]
{{- end }}
