{{- define "tidewheel.service" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  {{- if .facts.headless }}
  clusterIP: None  # nobody calls it: it only says where the metrics are
  {{- end }}
  selector: {{- include "tidewheel.selector" . | nindent 4 }}
  ports:
    - {name: {{ .facts.port.name }}, port: {{ .facts.port.number }}, targetPort: {{ .facts.port.name }}}
{{- if .values.monitor.enabled }}
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
    - {port: {{ .facts.port.name }}, path: /metrics, interval: {{ .values.monitor.interval }}}
{{- end }}
{{- end }}
