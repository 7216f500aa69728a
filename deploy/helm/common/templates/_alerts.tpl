{{/*
The alerts of a chart stand in its files/alerts.yaml, as Prometheus itself reads them: so promtool can check and test
them as they are. Only the address of the runbooks is put in.
*/}}
{{- define "tidewheel.alerts" -}}
{{- $alerts := .values.alerts -}}
{{- if $alerts.enabled }}
{{- $runbooks := required "alerts.runbooks: where can docs/operations/ be read?" $alerts.runbooks }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tidewheel.labels" . | nindent 4 }}
    {{- with $alerts.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- .root.Files.Get "files/alerts.yaml" | replace "docs/operations/" $runbooks | nindent 2 }}
{{- end }}
{{- end }}
