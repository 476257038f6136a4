# What a shell had set before is not for Strop: this part takes it out of the environment, so that what follows decides alone.
# These lines are the one list of it: `strop up` reads the same lines for itself and its servers (isolation.py). The first
# line that matches a name decides. A new shell has its own environment again.
for strop_name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
  case $strop_name in
    AWS_PAGER | AWS_CLI_* | AWS_DEFAULT_OUTPUT) : ;; # decide how the AWS CLI prints, nothing else
    AWS_*) unset "$strop_name" ;; # credentials, profiles, endpoints, regions, bundles, retries
    BOTO_CONFIG | BOTOCORE_*) unset "$strop_name" ;;
    PG*) unset "$strop_name" ;; # libpq and asyncpg take addresses, services, TLS and time zones from them
    DATABASE_URL | MQTT_URL | STROP_SECRETS_DIR) unset "$strop_name" ;; # of another installation, like the next ones
    STROP_URL | STROP_TOKEN | STROP_CONTROL_URLS | STROP_CONSOLE | STROP_CONSOLE_URL | STROP_LABELING_QUEUE_URL) unset "$strop_name" ;;
    STROP_HOST | STROP_PORT | STROP_SESSION_COOKIE) unset "$strop_name" ;;
    STROP_BUCKET | STROP_QUEUE_PREFIX | STROP_PUBLIC_S3_URL | STROP_MQTT_*) unset "$strop_name" ;;
    STROP_CUSTOM_LABELS_KEYS | STROP_CUSTOM_LABELS_REGION) unset "$strop_name" ;;
    STROP_CONSOLE_PUBLIC_REKOGNITION_URL | STROP_*_CACHE) unset "$strop_name" ;;
    ROTO_*) unset "$strop_name" ;; # settings of the S3 and SQS server
    PYTHONPATH | PYTHONHOME | PYTHONSTARTUP) unset "$strop_name" ;; # other modules under our names
    *) : ;;
  esac
done
# A missing bundle of certificates stops clients that need none: all servers here use plain HTTP.
for strop_name in REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE; do
  eval "[ -e \"\${$strop_name:-/}\" ] || unset $strop_name"
done
# A proxy cannot reach this machine's own addresses. The rest of what no_proxy names stays.
no_proxy=${no_proxy:-${NO_PROXY:-}} NO_PROXY=${NO_PROXY:-${no_proxy:-}}
for strop_name in 127.0.0.1 localhost; do
  case ",$no_proxy," in *",$strop_name,"* | ",*,") : ;; *) no_proxy=$no_proxy${no_proxy:+,}$strop_name ;; esac
  case ",$NO_PROXY," in *",$strop_name,"* | ",*,") : ;; *) NO_PROXY=$NO_PROXY${NO_PROXY:+,}$strop_name ;; esac
done
export no_proxy NO_PROXY
unset strop_name
