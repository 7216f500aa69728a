{{/* The way in to an application, at one host and below one path. */}}
{{- define "tidewheel.ingress" -}}
{{- $root := index . 0 -}}
{{- $context := include "tidewheel.context" . | fromYaml -}}
{{- $context = set $context "root" $root -}}
{{- $ingress := $context.values.ingress -}}
{{- if $ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $context.name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "tidewheel.labels" $context | nindent 4 }}
  {{- with $ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  ingressClassName: {{ $ingress.className }}
  tls:
    - hosts: [{{ $ingress.host }}]
      secretName: {{ $ingress.tlsSecret | default (printf "%s-tls" $context.name) }}
  rules:
    - host: {{ required "ingress.host: the name that clients call" $ingress.host }}
      http:
        paths:
          - path: {{ $context.facts.path }}
            pathType: Prefix
            backend: {service: {name: {{ $context.name }}, port: {name: {{ $context.facts.port.name }}}}}
{{- end }}
{{- end }}
