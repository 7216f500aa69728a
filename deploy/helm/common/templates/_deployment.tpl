{{- define "tidewheel.deployment" -}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
spec:
  {{- if not (include "tidewheel.scaled" .) }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  minReadySeconds: 5
  strategy:
    {{- if eq (.values.strategy | default "RollingUpdate") "Recreate" }}
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
    {{- end }}
  selector:
    matchLabels: {{- include "tidewheel.selector.own" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "tidewheel.labels" . | nindent 8 }}
        {{- with .pool }}
        tidewheel.io/pool: {{ . }}
        {{- end }}
      {{- with merge (dict) (.facts.podAnnotations | default dict) .values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "tidewheel.fullname" . }}
      {{- include "tidewheel.pod.base" . | nindent 6 }}
      {{- include "tidewheel.spread" . | nindent 6 }}
      # Longer than the process's own grace, so that it ends by itself and not by SIGKILL.
      terminationGracePeriodSeconds: {{ include "tidewheel.grace" . }}
      containers:
        - name: {{ .facts.component }}
          image: {{ include "tidewheel.image" . | quote }}
          imagePullPolicy: {{ .values.image.pullPolicy }}
          {{- with .facts.command }}
          command: {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - {name: {{ .facts.port.name }}, containerPort: {{ .facts.port.number }}}
          {{- with include "tidewheel.environment" . | trim }}
          env: {{- . | nindent 12 }}
          {{- end }}
          {{- include "tidewheel.probes" . | nindent 10 }}
          {{- with .facts.drainSeconds }}
          lifecycle:
            preStop: {sleep: {seconds: {{ . }}}}
          {{- end }}
          resources: {{- toYaml .values.resources | nindent 12 }}
          securityContext: {{- include "tidewheel.security.container" . | nindent 12 }}
          volumeMounts: {{- include "tidewheel.mounts" . | nindent 12 }}
      volumes: {{- include "tidewheel.volumes" . | nindent 8 }}
{{- end }}

{{- define "tidewheel.grace" -}}
{{- add (ceil .values.stopGrace) (.facts.drainSeconds | default 0) 15 -}}
{{- end }}

{{- define "tidewheel.disruption" -}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .values.disruption.maxUnavailable }}
  selector:
    matchLabels: {{- include "tidewheel.selector.own" . | nindent 6 }}
{{- end }}
