{{/* Not empty when something else than the Deployment decides how many pods there are. */}}
{{- define "tidewheel.scaled" -}}
{{- with .values.autoscaling }}{{ if ne .by "none" }}yes{{ end }}{{ end }}
{{- end }}

{{- define "tidewheel.autoscaling" -}}
{{- with .values.autoscaling }}
{{- if eq .by "cpu" }}
{{ include "tidewheel.autoscaling.cpu" $ }}
{{- else if eq .by "backlog" }}
{{ include "tidewheel.autoscaling.backlog" $ }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tidewheel.autoscaling.cpu" -}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicas: {{ .values.autoscaling.min }}
  maxReplicas: {{ .values.autoscaling.max }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .values.autoscaling.cpuPercent }}}}
  behavior: {{- include "tidewheel.autoscaling.behavior" . | nindent 4 }}
{{- end }}

{{- define "tidewheel.autoscaling.behavior" -}}
scaleUp: {stabilizationWindowSeconds: 0}
scaleDown: {stabilizationWindowSeconds: 300, policies: [{type: Percent, value: 25, periodSeconds: 60}]}
{{- end }}

{{/*
By what the dispatcher measures. The backlog itself waits in PostgreSQL, so the age of the oldest task that is due says
whether the executors keep up; what Redis holds says how many they could use at this moment. The larger answer wins.
*/}}
{{- define "tidewheel.autoscaling.backlog" -}}
{{- $scale := .values.autoscaling -}}
{{- $queues := .values.settings.queues | default list -}}
{{- $filter := "" -}}
{{- if and $queues (not (has "*" $queues)) -}}
{{- $words := list -}}
{{- range $queues }}{{ $words = append $words (regexQuoteMeta . | replace "\\" "\\\\") }}{{ end -}}
{{- $filter = printf "{queue=~\"%s\"}" (join "|" $words) -}}
{{- end -}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicaCount: {{ $scale.min }}
  maxReplicaCount: {{ $scale.max }}
  pollingInterval: 15
  cooldownPeriod: 300
  # With no figures, as many as there are keep working.
  fallback: {failureThreshold: 4, replicas: {{ $scale.fallback | default $scale.max }}, behavior: currentReplicasIfHigher}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- include "tidewheel.autoscaling.behavior" . | nindent 8 }}
  triggers:
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ required "autoscaling.prometheus: the address of Prometheus" $scale.prometheus | quote }}
        query: {{ printf "max(tidewheel_ready_oldest_seconds%s) or vector(0)" $filter | quote }}
        threshold: {{ $scale.waitSeconds | quote }}
        ignoreNullValues: "false"
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ $scale.prometheus | quote }}
        query: {{ printf "sum(max by (queue) (tidewheel_queue_unread%s)) + sum(max by (queue) (tidewheel_queue_in_flight%s))" $filter $filter | quote }}
        threshold: {{ $scale.tasksEach | quote }}
        ignoreNullValues: "false"
{{- end }}
