{{- define "tidewheel.service" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
  {{- with .facts.serviceAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  {{- if .facts.headless }}
  clusterIP: None  # nobody calls it: it only says where the metrics are
  {{- end }}
  selector: {{- include "tidewheel.selector" . | nindent 4 }}
  ports:
    - {name: {{ .facts.port.name }}, port: {{ .facts.port.number }}, targetPort: {{ .facts.port.name }}}
{{- if and .facts.metrics .values.monitor.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tidewheel.labels" . | nindent 4 }}
    {{- with .values.monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels: {{- include "tidewheel.selector" . | nindent 6 }}
  podTargetLabels: [tidewheel.io/pool]
  endpoints:
    - port: {{ .facts.port.name }}
      path: {{ .facts.metrics }}
      interval: {{ .values.monitor.interval }}
      {{- if .facts.port.tls }}
      scheme: https
      tlsConfig:
        serverName: {{ .name }}
        {{- with .facts.port.ca.configMap }}
        ca: {configMap: {name: {{ . }}, key: {{ $.facts.port.ca.key }}}}
        {{- end }}
      {{- end }}
{{- end }}
{{- end }}

{{/* How its address begins. */}}
{{- define "tidewheel.scheme" -}}
{{ ternary "https" "http" (not (empty .facts.port.tls)) }}
{{- end }}
