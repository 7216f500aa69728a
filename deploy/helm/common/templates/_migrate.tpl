{{/*
A Job that brings the schema up to date, to its end, before the new pods start. A hook, as all that it needs: the
release's own objects do not exist yet when it runs for the first time. Takes what tidewheel.component takes; of the facts
it reads `migrate`: the command, and the variable that holds the address of the database.
*/}}
{{- define "tidewheel.migrate" -}}
{{- $root := index . 0 -}}
{{- $context := include "tidewheel.context" . | fromYaml -}}
{{- $context = set $context "root" $root -}}
{{- $migrate := $context.values.migrate -}}
{{- if $migrate.enabled }}
{{- $name := printf "%s-migrate" $context.name }}
{{- $values := mergeOverwrite (deepCopy $context.values) (dict "secret" (deepCopy $migrate.secret)) }}
{{- $facts := dict "component" $context.facts.component "reaches" (list "database") "port" dict }}
{{- $beside := dict "root" $root "name" $name "beside" "migrate" "values" $values "facts" $facts }}
{{- $secret := $migrate.secret.name | default $name }}
{{- $before := dict "helm.sh/hook" "pre-install,pre-upgrade" "helm.sh/hook-delete-policy" "before-hook-creation" "helm.sh/hook-weight" "-10" }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "tidewheel.labels.beside" $beside | nindent 4 }}
  annotations: {{- toYaml $before | nindent 4 }}
automountServiceAccountToken: false
{{- if $migrate.secret.external.enabled }}
{{ include "tidewheel.external" (merge (dict "secretName" $secret "annotations" $before) $beside) }}
{{- end }}
{{- if $values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "tidewheel.labels.beside" $beside | nindent 4 }}
  annotations: {{- toYaml $before | nindent 4 }}
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/name: {{ $facts.component }}-migrate, app.kubernetes.io/instance: {{ $root.Release.Name }}}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "tidewheel.network.dns" $beside | nindent 4 }}
    {{- include "tidewheel.network.database" $beside | nindent 4 }}
{{- end }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "tidewheel.labels.beside" $beside | nindent 4 }}
  annotations: {{- toYaml (merge (dict "helm.sh/hook-weight" "-5") $before) | nindent 4 }}
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ $migrate.deadline }}
  template:
    metadata:
      labels: {{- include "tidewheel.labels.beside" $beside | nindent 8 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ $name }}
      {{- include "tidewheel.pod.base" $beside | nindent 6 }}
      containers:
        - name: migrate
          image: {{ include "tidewheel.image" $beside | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          command: {{- toYaml $context.facts.migrate.command | nindent 12 }}
          env:
            {{- include "tidewheel.environment.database" $beside | nindent 12 }}
            - name: {{ $context.facts.migrate.variable }}
              valueFrom: {secretKeyRef: {name: {{ $secret }}, key: database-url}}
          resources: {{- toYaml $migrate.resources | nindent 12 }}
          securityContext: {{- include "tidewheel.security.container" $beside | nindent 12 }}
          volumeMounts: {{- include "tidewheel.mounts" $beside | nindent 12 }}
      volumes: {{- include "tidewheel.volumes" $beside | nindent 8 }}
{{- end }}
{{- end }}
