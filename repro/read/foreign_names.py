"""Labels of training parameters in languages other than English, by standard term."""

from __future__ import annotations

FOREIGN: dict[str, str] = {
    "learning_rate": "学习率|學習率|峰值学习率|最大学习率|初始学习率|学習率|ピーク学習率|最大学習率|학습률|"
    "최대 학습률|taux d'apprentissage|taux d apprentissage|tasa de aprendizaje|taxa de aprendizado|tốc độ học|"
    "tỷ lệ học|อัตราการเรียนรู้|lernrate|tasso di apprendimento|скорость обучения",
    "batch_size": "批次大小|批量大小|批大小|批处理大小|批尺寸|バッチサイズ|배치 크기|배치 사이즈|taille de lot|"
    "taille du lot|taille de batch|taille des lots|tamaño de lote|tamaño del lote|tamaño de batch|tamanho do lote|"
    "kích thước batch|kích thước lô|ขนาดแบตช์|batchgröße|stapelgröße|размер батча",
    "effective_batch_size": "总批次大小|全局批次大小|全局批大小|有效批次大小|等效批大小|有效批量大小|总批量大小|"
    "グローバルバッチサイズ|実効バッチサイズ|有効バッチサイズ|유효 배치 크기|전체 배치 크기|글로벌 배치 크기|"
    "taille de lot effective|taille de lot globale|tamaño de lote efectivo|tamaño de lote total|"
    "tamaño efectivo del lote|effektive batchgröße",
    "per_device_batch_size": "单卡批次大小|单卡批大小|每卡批次大小|每设备批次大小|每设备批量大小|单设备批次大小|"
    "デバイスあたりのバッチサイズ|デバイスごとのバッチサイズ|디바이스당 배치 크기|장치당 배치 크기|"
    "taille de lot par gpu|taille de lot par appareil|tamaño de lote por dispositivo|tamaño de lote por gpu",
    "gradient_accumulation_steps": "梯度累积步数|梯度累积|梯度累計步數|梯度累加|梯度累加步数|勾配累積ステップ|"
    "勾配累積ステップ数|勾配累積|勾配蓄積|그래디언트 누적|그래디언트 누적 스텝|기울기 누적|"
    "accumulation de gradient|accumulation du gradient|accumulation de gradients|étapes d'accumulation du gradient|"
    "acumulación de gradiente|acumulación de gradientes|pasos de acumulación de gradiente|tích lũy gradient|"
    "acumulação de gradiente|gradientenakkumulation",
    "num_devices": "显卡数量|gpu数量|gpu 数量|卡数|gpu数|gpu 개수|nombre de gpu|nombre de gpus|número de gpus|số gpu",
    "num_epochs": "训练轮数|训练轮次|轮数|轮次|训练周期|训练epoch数|訓練輪數|エポック数|エポック|学習エポック数|"
    "에폭|에포크|에포크 수|에폭 수|학습 에폭|nombre d'époques|nombre d époques|nombre d'epochs|époques|epoques|"
    "épocas|epocas|número de épocas|numero de epocas|épocas de entrenamiento|số epoch|số lượng epoch|จำนวน epoch|"
    "จำนวนรอบ|anzahl der epochen|epochen|numero di epoche|epoche|эпохи|количество эпох",
    "total_steps": "训练步数|总步数|总训练步数|学習ステップ数|総ステップ数|학습 스텝|총 스텝|nombre d'étapes|"
    "nombre de pas|pasos de entrenamiento|número de pasos|số bước|số bước huấn luyện|trainingsschritte",
    "max_steps": "最大步数|最大ステップ数|최대 스텝",
    "max_seq_length": "最大长度|最大序列长度|序列长度|最大長度|最大序列長度|上下文长度|截断长度|最大シーケンス長|"
    "系列長|シーケンス長|最大系列長|최대 시퀀스 길이|시퀀스 길이|최대 길이|longueur maximale|longueur de séquence|"
    "longueur maximale de séquence|longitud máxima|longitud de secuencia|longitud máxima de secuencia|"
    "độ dài tối đa|độ dài chuỗi|comprimento máximo|ความยาวสูงสุด|maximale sequenzlänge",
    "lr_scheduler_type": "学习率调度|学习率调度器|学习率策略|学习率衰减|调度器|學習率調度器|学習率スケジューラ|"
    "学習率スケジューラー|スケジューラ|スケジューラー|학습률 스케줄러|스케줄러|planificateur|"
    "planificateur de taux d'apprentissage|planificador|planificador de tasa de aprendizaje|"
    "programador de tasa de aprendizaje|bộ lập lịch|lernratenplan",
    "warmup_ratio": "预热比例|预热率|热身比例|预热比率|ウォームアップ比率|ウォームアップ率|워밍업 비율|웜업 비율|"
    "taux de warmup|ratio d'échauffement|ratio de calentamiento|proporción de calentamiento|tỷ lệ warmup",
    "warmup_steps": "预热步数|热身步数|ウォームアップステップ|ウォームアップステップ数|워밍업 스텝|웜업 스텝|"
    "étapes d'échauffement|pas de warmup|pasos de calentamiento|số bước warmup",
    "warmup": "预热|热身|ウォームアップ|워밍업|웜업|échauffement|calentamiento",
    "optimizer": "优化器|優化器|最適化|最適化手法|オプティマイザ|オプティマイザー|옵티마이저|최적화|"
    "최적화 알고리즘|optimiseur|optimizador|trình tối ưu|bộ tối ưu|bộ tối ưu hóa|ตัวเพิ่มประสิทธิภาพ|ออปติไมเซอร์|"
    "optimierer|otimizador|ottimizzatore|оптимизатор",
    "weight_decay": "权重衰减|權重衰減|重み減衰|荷重減衰|가중치 감쇠|décroissance des poids|décroissance du poids|"
    "decaimiento de pesos|decaimiento del peso|decaimiento de peso|suy giảm trọng số|gewichtsabfall",
    "max_grad_norm": "梯度裁剪|梯度截断|最大梯度范数|勾配クリッピング|그래디언트 클리핑|écrêtage du gradient|"
    "recorte de gradiente|cắt gradient",
    "seed": "随机种子|隨機種子|种子|乱数シード|シード|シード値|시드|랜덤 시드|graine|graine aléatoire|semilla|"
    "semilla aleatoria|hạt giống",
    "precision": "精度|训练精度|混合精度|数值精度|計算精度|学習精度|混合精度学習|정밀도|혼합 정밀도|précision|"
    "précision mixte|precisión|precisión mixta|độ chính xác số",
    "lora_r": "lora秩|lora 秩|lora rank 秩|lora ランク|lora 랭크|rang lora|rango lora|rango de lora|hạng lora",
    "lora_alpha": "lora缩放|lora 缩放系数|lora 알파|alpha lora",
    "lora_dropout": "lora 丢弃率|lora丢弃率|lora 드롭아웃",
    "lora_target_modules": "目标模块|lora 目标模块|対象モジュール|ターゲットモジュール|타겟 모듈|modules cibles|"
    "módulos objetivo|módulos destino",
    "dataset_rows": "样本数|样本数量|训练样本数|数据量|サンプル数|学習データ数|데이터 수|샘플 수|nombre d'exemples|"
    "número de ejemplos|số mẫu",
    "dataset": "训练数据|训练数据集|数据集|訓練資料|学習データ|データセット|学習データセット|학습 데이터|데이터셋|"
    "학습 데이터셋|données d'entraînement|jeu de données|datos de entrenamiento|conjunto de datos|"
    "dữ liệu huấn luyện|bộ dữ liệu|ชุดข้อมูล|trainingsdaten|datensatz",
    "base_model": "基座模型|基础模型|底座模型|基底模型|预训练模型|ベースモデル|基盤モデル|事前学習モデル|"
    "베이스 모델|기반 모델|기본 모델|modèle de base|modelo base|mô hình gốc|mô hình cơ sở|mô hình nền|โมเดลพื้นฐาน|"
    "basismodell|modello base|базовая модель",
    "method": "训练方法|训练方式|微调方法|微调方式|学習手法|学習方法|학습 방법|méthode d'entraînement|"
    "método de entrenamiento|phương pháp huấn luyện",
    "license": "许可证|协议|ライセンス|라이선스|licence|licencia|giấy phép",
    "hardware": "硬件|训练硬件|ハードウェア|하드웨어|matériel|hardware utilizado|phần cứng",
    "framework": "训练框架|框架|フレームワーク|프레임워크",
}
"""Standard term -> labels; combined with the English spellings in `names`."""
