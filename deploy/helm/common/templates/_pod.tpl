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

{{/* The environment of a process: what it reads, and nothing else. */}}
{{- define "tidewheel.environment" -}}
{{- if not .facts.foreign }}
{{- include "tidewheel.environment.ours" . }}
{{- end }}
{{- range $reached := .facts.reaches }}
{{- if has $reached (list "database" "gateway") }}
{{ include (printf "tidewheel.environment.%s" $reached) $ }}
{{- end }}
{{- end }}
{{- range $variable, $secret := .facts.secrets }}
{{ include "tidewheel.environment.secret" (list $ $variable $secret.key $secret.optional) }}
{{- end }}
{{- range $variable, $value := .values.environment }}
- {name: {{ $variable }}, value: {{ $value | quote }}}
{{- end }}
{{- range $variable, $key := .values.secretEnvironment }}
{{ include "tidewheel.environment.secret" (list $ $variable $key false) }}
{{- end }}
{{- end }}

{{- define "tidewheel.environment.ours" -}}
{{- $values := .values -}}
{{- range $variable := .facts.port.variables }}
- {name: {{ $variable }}, value: {{ $.facts.port.number | quote }}}
{{- end }}
- {name: {{ .facts.port.host }}, value: "0.0.0.0"}
- {name: TIDEWHEEL_LOG_LEVEL, value: {{ $values.logLevel }}}
- {name: TIDEWHEEL_STOP_GRACE, value: {{ $values.stopGrace | quote }}}
{{- if .facts.port.tls }}
- {name: TIDEWHEEL_TLS_CERTIFICATE, value: /etc/tidewheel/tls/tls.crt}
- {name: TIDEWHEEL_TLS_KEY, value: /etc/tidewheel/tls/tls.key}
{{- end }}
{{- with $values.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- range $setting, $value := $values.settings }}
- name: TIDEWHEEL_{{ $setting | snakecase | upper }}
  value: {{ (kindIs "slice" $value | ternary (join "," $value) ($value | toString)) | quote }}
{{- end }}
{{- end }}

{{- define "tidewheel.environment.secret" -}}
{{- $context := index . 0 -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef: {name: {{ include "tidewheel.secret" $context }}, key: {{ index . 2 }}, optional: {{ index . 3 | default false }}}
{{- end }}

{{- define "tidewheel.environment.database" -}}
- {name: PGSSLMODE, value: {{ .values.database.sslMode }}}
{{- if .values.database.ca.configMap }}
- {name: PGSSLROOTCERT, value: /etc/tidewheel/postgres/ca.crt}
{{- end }}
{{- end }}

{{- define "tidewheel.environment.gateway" -}}
- {name: TIDEWHEEL_URL, value: {{ .values.gateway.url | quote }}}
{{- if .values.gateway.ca.configMap }}
- {name: TIDEWHEEL_CA, value: /etc/tidewheel/gateway/ca.crt}
{{- end }}
{{- end }}

{{- define "tidewheel.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range $file := include "tidewheel.files" . | fromYamlArray }}
- {name: {{ $file.name }}, mountPath: {{ $file.path }}, readOnly: true{{ with $file.key }}, subPath: {{ . }}{{ end }}}
{{- end }}
{{- end }}

{{- define "tidewheel.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 256Mi}}
{{- range $file := include "tidewheel.files" . | fromYamlArray }}
- name: {{ $file.name }}
  {{- if $file.secret }}
  secret: {secretName: {{ $file.secret }}, defaultMode: 288}
  {{- else }}
  configMap:
    name: {{ $file.configMap }}
    {{- with $file.items }}
    items: {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What is mounted: the authorities of whom it reaches, its certificate, and what its facts name. */}}
{{- define "tidewheel.files" -}}
{{- $places := dict "database" "postgres" "redis" "redis" "gateway" "gateway" -}}
{{- $files := list -}}
{{- range $reached := .facts.reaches -}}
{{- $ca := (index $.values $reached).ca -}}
{{- $place := get $places $reached -}}
{{- if $ca.configMap -}}
{{- $items := list (dict "key" $ca.key "path" "ca.crt") -}}
{{- $files = append $files (dict "name" (printf "%s-ca" $place) "path" (printf "/etc/tidewheel/%s" $place) "configMap" $ca.configMap "items" $items) -}}
{{- end -}}
{{- end -}}
{{- with .facts.port }}{{ with .tls -}}
{{- $files = append $files (dict "name" "tls" "path" "/etc/tidewheel/tls" "secret" .) -}}
{{- end }}{{ end -}}
{{- concat $files (.facts.files | default list) | toYaml -}}
{{- end }}

{{/*
Alive means that the loops move, whatever the stores do: a restart mends neither PostgreSQL nor Redis. Ready means that
work can be done now. Both are answered by a thread of the process itself, so that a probe costs next to nothing.
*/}}
{{- define "tidewheel.probes" -}}
startupProbe:
  httpGet: {path: {{ .facts.alive }}, port: {{ .facts.port.name }}, scheme: {{ include "tidewheel.scheme" . | upper }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: {{ .facts.alive }}, port: {{ .facts.port.name }}, scheme: {{ include "tidewheel.scheme" . | upper }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: {{ .facts.ready }}, port: {{ .facts.port.name }}, scheme: {{ include "tidewheel.scheme" . | upper }}}
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

{{/* Over zones and nodes. A pod of the same kind on the node is a reason to look for another one, not to wait for ever. */}}
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
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- $selector | nindent 14 }}
{{- end }}
