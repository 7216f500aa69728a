{{/* What the `restricted` pod security standard asks for, and a little more. */}}
{{- define "tidewheel.security.pod" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tidewheel.security.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The environment of a process: what its settings read, and nothing else. */}}
{{- define "tidewheel.environment" -}}
{{- $values := .values -}}
{{- range $variable := .facts.port.variables }}
- {name: {{ $variable }}, value: {{ $.facts.port.number | quote }}}
{{- end }}
- {name: {{ .facts.port.host }}, value: "0.0.0.0"}
- {name: TIDEWHEEL_LOG_LEVEL, value: {{ $values.logLevel }}}
- {name: TIDEWHEEL_STOP_GRACE, value: {{ $values.stopGrace | quote }}}
{{- with $values.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- range $setting, $value := $values.settings }}
- name: TIDEWHEEL_{{ $setting | snakecase | upper }}
  value: {{ (kindIs "slice" $value | ternary (join "," $value) ($value | toString)) | quote }}
{{- end }}
{{ include "tidewheel.environment.database" . }}
{{- range $variable, $secret := .facts.secrets }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef: {name: {{ include "tidewheel.secret" $ }}, key: {{ $secret.key }}, optional: {{ $secret.optional | default false }}}
{{- end }}
{{- end }}

{{- define "tidewheel.environment.database" -}}
- {name: PGSSLMODE, value: {{ .values.database.sslMode }}}
{{- if .values.database.ca.configMap }}
- {name: PGSSLROOTCERT, value: /etc/tidewheel/postgres/ca.crt}
{{- end }}
{{- end }}

{{- define "tidewheel.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .values.database.ca.configMap }}
- {name: postgres-ca, mountPath: /etc/tidewheel/postgres, readOnly: true}
{{- end }}
{{- if .values.redis.ca.configMap }}
- {name: redis-ca, mountPath: /etc/tidewheel/redis, readOnly: true}
{{- end }}
{{- end }}

{{- define "tidewheel.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 256Mi}}
{{- range $store := list "postgres" "redis" }}
{{- $ca := (ternary $.values.database $.values.redis (eq $store "postgres")).ca }}
{{- if $ca.configMap }}
- name: {{ $store }}-ca
  configMap: {name: {{ $ca.configMap }}, items: [{key: {{ $ca.key }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}

{{/*
Alive means that the loops move, whatever the stores do: a restart mends neither PostgreSQL nor Redis. Ready means that
work can be done now. Both are answered by a thread of the process itself, so that a probe costs next to nothing.
*/}}
{{- define "tidewheel.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ .facts.port.name }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: {{ .facts.port.name }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: {{ .facts.port.name }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* What every pod has, wherever it comes from. */}}
{{- define "tidewheel.pod.base" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- include "tidewheel.security.pod" . | nindent 2 }}
{{- with .values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tidewheel.spread" -}}
{{- $selector := include "tidewheel.selector.own" . }}
topologySpreadConstraints:
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- $selector | nindent 8 }}
{{- end }}
{{- end }}
